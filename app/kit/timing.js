// When something is done: not too often, after a rest, or not moving at all.

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Runs `action` at most once per `wait` ms; the last call is never lost. */
export function throttled(action, wait) {
  let timer = null;
  let last = 0;
  return (...values) => {
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

export function settled(action, wait) {
  let timer = null;
  const call = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait);
  };
  call.cancel = () => clearTimeout(timer);
  return call;
}
