"""Scripts: what has to happen in one step at the engine, in Lua.

Rules owned here: a name is had by whom ``N`` says, as long as that node's lease lives, and by nobody else; fences only
rise, even if the engine has lost its memory; after that has happened new names wait until every former owner has either
come back or given up; a node that loses a name to another is told; what is left of an earlier session of a node, and
arrives late, does nothing. Must not know connections.

============  ======  ===========================================================================
key           type    content
============  ======  ===========================================================================
``L:<node>``  string  the lease of a node: the number of its session; expires
``N``         hash    name -> ``node|actor|fence``
``F``         string  the last fence
``G``         hash    ``run``: the server whose memory this is, ``history``: since when it is the primary; ``till``:
                      end of the grace, ms
``nodes``     hash    node -> what it says of itself
============  ======  ===========================================================================

All keys begin with ``aw:{app}:``, which is ``ARGV[1]`` of every script. Nodes and actors never have ``|`` in their ids.
"""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from actorws.cluster.resp import Argument

__all__ = [
    "ALL",
    "ATTACH",
    "DETACH",
    "LOCATE",
    "NODES",
    "REASSERT",
    "REGISTER",
    "RELEASE",
    "SEND",
    "SWEEP",
    "Script",
    "marker",
]


@frozen
class Script:
    """One script; servers know it by its hash once it was loaded."""

    source: str = field(repr=False)
    sha: str = field(init=False)

    @sha.default
    def _(self) -> str:
        return sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def command(self, prefix: str, *arguments: Argument) -> tuple[Argument, ...]:
        """What runs it."""
        return ("EVALSHA", self.sha, 0, prefix, *arguments)


def marker(prefix: str) -> Script:
    """Never run. That it is loaded says that nodes have used the server since it was started, whatever became of its
    memory: scripts outlive ``FLUSHALL``, and no restart."""
    return Script(f"return '{sha1(prefix.encode(), usedforsecurity=False).hexdigest()}'")


_COMMON = """
local P = ARGV[1]
local function alive(node) return redis.call('EXISTS', P .. 'L:' .. node) == 1 end
local function session_of(node) return redis.call('GET', P .. 'L:' .. node) end
local function owner(name)
  local entry = redis.call('HGET', P .. 'N', name)
  if not entry then return nil end
  return string.match(entry, '^([^|]*)|(%d+)|(%d+)$')
end
local function microseconds() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
local function grace_till() return 1000 * tonumber(redis.call('HGET', P .. 'G', 'till') or '0') end
local function tell_taken(node, name, fence, by)
  redis.call('PUBLISH', P .. 'in:' .. node, cmsgpack.pack({1, 4, by, {name, tonumber(fence)}}))
end
"""

#: ``prefix node session lease_ms run_id info history uptime`` -> the end of the grace, as long as a lease, is noted;
#: the lease begins. ``uptime``: seconds that the server has been up for, if no node has used it in that time; who had
#: a lease in its life before doesn't have it any longer than a lease from its start on.
ATTACH = Script(
    _COMMON
    + """
local known = redis.call('HGET', P .. 'G', 'history') or ARGV[7]
if redis.call('HGET', P .. 'G', 'run') ~= ARGV[5] or known ~= ARGV[7] then
  local since = microseconds() / 1000
  if ARGV[8] ~= '' and redis.call('EXISTS', P .. 'G') == 0 then
    -- The server takes the difference of two whole seconds for it, which may be one too many.
    since = since - 1000 * math.max(0, ARGV[8] - 1)
  end
  redis.call('HSET', P .. 'G', 'run', ARGV[5], 'till', string.format('%.0f', since + ARGV[4]))
end
redis.call('HSET', P .. 'G', 'history', ARGV[7])
redis.call('SET', P .. 'L:' .. ARGV[2], ARGV[3], 'PX', ARGV[4])
redis.call('HSET', P .. 'nodes', ARGV[2], ARGV[6])
return 1
"""
)

#: ``prefix node envelope`` -> the lease is over, and the other nodes are told with the envelope.
DETACH = Script(
    _COMMON
    + """
redis.call('DEL', P .. 'L:' .. ARGV[2])
redis.call('HDEL', P .. 'nodes', ARGV[2])
redis.call('PUBLISH', P .. 'ctl', ARGV[3])
return 1
"""
)

#: ``prefix node session (name actor takeover holder)...`` -> for each ``FENCE`` and it; ``TAKEN``; ``NOLEASE``; or
#: ``WAIT`` and the milliseconds. ``holder``: the actor that has it as far as the node knows; an entry of another one
#: there is left over. Many in one run cost a third of one by one: what is the same for all is asked once.
REGISTER = Script(
    _COMMON
    + """
local node, results = ARGV[2], {}
local leased, now = session_of(node) == ARGV[3], microseconds()
local wait = grace_till() - now
local fence = math.max(tonumber(redis.call('GET', P .. 'F') or '0') + 1, now)
-- First, and for as many as there may be: no fence comes twice, even if this is cut short for want of memory.
if leased then redis.call('SET', P .. 'F', string.format('%.0f', fence + #ARGV / 4)) end
for i = 4, #ARGV, 4 do
  local name, actor, result = ARGV[i], ARGV[i + 1], nil
  local node2, actor2, fence2 = owner(name)
  local has = node2 == node and actor2 == actor
  local certain = node2 == node and actor2 == ARGV[i + 3]
  local had = not has and node2 and (certain or node2 ~= node and alive(node2))
  if not leased then result = {'NOLEASE'}
  elseif had and ARGV[i + 2] ~= '1' then result = {'TAKEN'}
  elseif not certain and wait > 0 then result = {'WAIT', string.format('%.0f', wait / 1000)}
  elseif has then result = {'FENCE', fence2}
  else
    local new = string.format('%.0f', fence)
    fence = fence + 1
    redis.call('HSET', P .. 'N', name, node .. '|' .. actor .. '|' .. new)
    if had and node2 ~= node then tell_taken(node2, name, new, node) end
    result = {'FENCE', new}
  end
  results[#results + 1] = result
end
return results
"""
)

#: ``prefix node session (name actor instead)...`` -> how many of them it had. ``instead`` is what to write over it, if
#: any: the actor and the fence of who has had it all the time, as ``actor`` never got it as far as its node knows.
RELEASE = Script(
    _COMMON
    + """
local count, session = 0, session_of(ARGV[2])
if session and session ~= ARGV[3] then return 0 end
for i = 4, #ARGV, 3 do
  local name, instead = ARGV[i], ARGV[i + 2]
  local node2, actor2 = owner(name)
  if node2 == ARGV[2] and actor2 == ARGV[i + 1] then
    count = count + 1
    if instead == '' then redis.call('HDEL', P .. 'N', name)
    else redis.call('HSET', P .. 'N', name, node2 .. '|' .. instead) end
  end
end
return count
"""
)

#: ``prefix node session (name actor fence)...`` -> the names that others have got since. What the engine remembers with
#: a lower fence is older: that owner has lost the name already, and is told again. What it does not remember although
#: its memory is whole, another one has had and given back.
REASSERT = Script(
    _COMMON
    + """
local node, lost, last = ARGV[2], {}, tonumber(redis.call('GET', P .. 'F') or '0')
if session_of(node) ~= ARGV[3] then return lost end
local whole = grace_till() <= microseconds()
for i = 4, #ARGV, 3 do
  local name, actor, fence = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local node2, _, fence2 = owner(name)
  if node2 and node2 ~= node and tonumber(fence2) > tonumber(fence) or not node2 and whole then
    lost[#lost + 1] = name
  else
    redis.call('HSET', P .. 'N', name, node .. '|' .. actor .. '|' .. fence)
    if node2 and node2 ~= node then tell_taken(node2, name, fence, node) end
    last = math.max(last, tonumber(fence))
  end
end
redis.call('SET', P .. 'F', string.format('%.0f', last))
return lost
"""
)

#: ``prefix name envelope`` -> -1: nobody has the name; else how many connections of its node got it, 0 or 1.
SEND = Script(
    _COMMON
    + """
local node2 = owner(ARGV[2])
if not node2 or not alive(node2) then return -1 end
return redis.call('PUBLISH', P .. 'in:' .. node2, ARGV[3])
"""
)

#: ``prefix name`` -> node and actor, or nothing.
LOCATE = Script(
    _COMMON
    + """
local node2, actor2 = owner(ARGV[2])
if not node2 or not alive(node2) then return {} end
return {node2, actor2}
"""
)

#: ``prefix`` -> 1 if all nodes that live are known (0 in a grace: they may not have come back yet), then what each says
#: of itself; those that are gone are forgotten.
NODES = Script(
    _COMMON
    + """
local found = {grace_till() > microseconds() and 0 or 1}
local all = redis.call('HGETALL', P .. 'nodes')
for i = 1, #all, 2 do
  if alive(all[i]) then
    found[#found + 1] = all[i + 1]
  else
    redis.call('HDEL', P .. 'nodes', all[i])
  end
end
return found
"""
)

#: ``prefix node cursor count`` -> the next cursor, then names and actors of the node itself: some may be left over, as
#: only it knows. Names of nodes that are gone are forgotten. A few at a time.
SWEEP = Script(
    _COMMON
    + """
local found = redis.call('HSCAN', P .. 'N', ARGV[3], 'COUNT', ARGV[4])
local result = {found[1]}
for i = 1, #found[2], 2 do
  local node2, actor2 = string.match(found[2][i + 1], '^([^|]*)|(%d+)|')
  if node2 == ARGV[2] then
    result[#result + 1] = found[2][i]
    result[#result + 1] = actor2
  elseif not node2 or not alive(node2) then
    redis.call('HDEL', P .. 'N', found[2][i])
  end
end
return result
"""
)

ALL = (ATTACH, DETACH, REGISTER, RELEASE, REASSERT, SEND, LOCATE, NODES, SWEEP)
