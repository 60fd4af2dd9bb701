// Time: pauses that can be cut short, and silence. All of it is in milliseconds.

/** A wait that ends early when it is woken. One at a time. */
export class Pause {
  #wake = null;

  /** Resolves after `delay` (which may be Infinity), or when woken. */
  sleep(delay) {
    return new Promise((resolve) => {
      const timer = delay === Infinity ? undefined : setTimeout(() => this.wake(), delay);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  wake() {
    this.#wake?.();
    this.#wake = null;
  }
}

/** Calls `silent` once when nothing was heard for `limit`. */
export class Silence {
  #limit;
  #silent;
  #heardAt = performance.now();
  #timer;

  constructor(limit, silent) {
    this.#limit = limit;
    this.#silent = silent;
    this.#arm(limit);
  }

  /** How long nothing was heard. */
  get length() {
    return performance.now() - this.#heardAt;
  }

  heard() {
    this.#heardAt = performance.now(); // the timer looks at it when it is due: messages come more often than it
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #arm(delay) {
    this.#timer = setTimeout(() => {
      const rest = this.#limit - this.length;
      if (rest <= 0) this.#silent();
      else this.#arm(rest);
    }, delay);
  }
}

/** How long to wait before attempt `failures` + 1: exponential, with full jitter, so that clients don't come at once. */
export function backoff(failures, first, last) {
  return Math.random() * Math.min(last, first * 2 ** (failures - 1));
}

/** `delay`, a quarter more or less. */
export function jittered(delay) {
  return delay * (0.75 + Math.random() / 2);
}
