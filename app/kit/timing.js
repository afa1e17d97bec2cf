// When something is done: not too often, after a rest, or not moving at all.

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * At most once per `wait` ms; the last call is never lost.
 *
 * @template {unknown[]} Values
 * @param {(...values: Values) => void} action
 * @param {number} wait
 */
export function throttled(action, wait) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let last = 0;
  return (/** @type {Values} */ ...values) => {
    clearTimeout(timer);
    const due = last + wait - performance.now();
    const fire = () => {
      last = performance.now();
      action(...values);
    };
    if (due <= 0) fire();
    else timer = setTimeout(fire, due);
  };
}

/**
 * `wait` ms after the last call, unless it is cancelled before.
 *
 * @template {unknown[]} Values
 * @param {(...values: Values) => void} action
 * @param {number} wait
 */
export function settled(action, wait) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const call = (/** @type {Values} */ ...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait);
  };
  return Object.assign(call, { cancel: () => clearTimeout(timer) });
}
