/* Sec-WebSocket-Accept (RFC 6455 section 4.2.2): base64 of the SHA-1 of the key and a GUID.
 *
 * SHA-1 is that of RFC 3174, for messages of one or two blocks of 64 bytes, which a key and the GUID always are; so
 * that the floor needs no library. */
#pragma once

#include <stdint.h>
#include <string.h>

enum { KEY_SIZE = 24, ACCEPT_SIZE = 28 };

static uint32_t rotated(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void sha1_block(uint32_t state[5], const uint8_t *block) {
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++, block += 4)
        w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
    for (int i = 16; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5A827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC
                              : (b ^ c ^ d) + 0xCA62C1D6;
        uint32_t next = rotated(a, 5) + f + e + w[i];
        e = d, d = c, c = rotated(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static void base64(const uint8_t *bytes, int count, char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < count; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        if (i + 1 < count) three |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < count) three |= bytes[i + 2];
        *text++ = letters[three >> 18];
        *text++ = letters[three >> 12 & 63];
        *text++ = i + 1 < count ? letters[three >> 6 & 63] : '=';
        *text++ = i + 2 < count ? letters[three & 63] : '=';
    }
}

static void accept_of(const char key[KEY_SIZE], char accept[ACCEPT_SIZE]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    enum { GUID_SIZE = sizeof guid - 1, BITS = 8 * (KEY_SIZE + GUID_SIZE) };
    uint8_t blocks[128] = {0}, digest[20];
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    memcpy(blocks, key, KEY_SIZE);
    memcpy(blocks + KEY_SIZE, guid, GUID_SIZE);
    blocks[KEY_SIZE + GUID_SIZE] = 0x80;
    blocks[126] = BITS >> 8;
    blocks[127] = BITS & 0xFF;
    sha1_block(state, blocks);
    sha1_block(state, blocks + 64);
    for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(state[i / 4] >> 8 * (3 - i % 4));
    base64(digest, 20, accept);
}
