// What test_sizes asks of a page: bytes of the largest payload, and the time from its mount to the drawn picture.
(() => {
  const noted = { bytes: 0, mounted: NaN, drawn: NaN };
  globalThis.mxSizes = noted;

  /** Called with every payload, before the program's own mount. */
  globalThis.mxMounted = (component) => {
    const bytes = component.data?.length ?? 0;
    if (bytes <= noted.bytes) return;
    Object.assign(noted, { bytes, mounted: performance.now(), drawn: NaN });
    // the second frame after the picture says that it is ready: it has been handed to the screen
    const look = () =>
      component.parentElement.querySelector("[data-ready='1']")
        ? requestAnimationFrame(() =>
            requestAnimationFrame(() => {
              noted.drawn = performance.now();
            }),
          )
        : setTimeout(look, 1);
    look();
  };

  /** Steps that were drawn in each second of playing, and the longest wait for the next frame, in ms. */
  globalThis.mxPlay = (root, seconds) =>
    new Promise((done) => {
      const began = performance.now();
      let [steps, frames, longest, last, before] = [0, 0, 0, root.dataset.step, began];
      const frame = (now) => {
        frames += 1;
        longest = Math.max(longest, now - before);
        before = now;
        if (root.dataset.step !== last) {
          steps += 1;
          last = root.dataset.step;
        }
        const passed = (performance.now() - began) / 1000;
        if (passed < seconds) requestAnimationFrame(frame);
        else done({ steps: steps / passed, frames: frames / passed, longest });
      };
      requestAnimationFrame(frame);
    });
})();
