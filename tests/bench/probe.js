// What the browser benchmark asks of a page. Loaded before the page's own scripts; changes nothing in it.
(() => {
  let known = null;
  const look = (scope) => {
    for (const node of scope.querySelectorAll("*")) {
      if (node.matches('.mx[data-ready="1"]')) return node;
      const found = node.shadowRoot && look(node.shadowRoot);
      if (found) return found;
    }
    return null;
  };
  const frames = (count) =>
    new Promise((done) => {
      const next = (left) => (left ? requestAnimationFrame(() => next(left - 1)) : done(performance.now()));
      next(count);
    });
  const until = async (ready, limit = 20000) => {
    const began = performance.now();
    while (!ready()) {
      if (performance.now() - began > limit) throw new Error(`waited ${limit} ms for ${ready}`);
      await frames(1);
    }
  };

  const bench = {
    steps: [],
    series: [],
    clicked: NaN,
    expected: null,
    root: () => {
      if (!known?.isConnected) known = look(document);
      return known;
    },
    part: (name) => bench.root().querySelector(`[data-part="${name}"]`),
    painted: () => frames(2), // the second callback comes after the frame that the first one belonged to

    /** How many colours the state grid shows (an empty canvas has one), and the length of the text beside it. */
    drawn: () => {
      const { width, height } = bench.part("grid");
      const { data } = bench.part("grid").getContext("2d").getImageData(0, 0, Math.max(1, width), Math.max(1, height));
      const colours = new Set(new Uint32Array(data.buffer)).size;
      return { colours, characters: bench.part("story").textContent.trim().length };
    },

    /** From now on notes every change of the picture of runs other than the one that is shown. */
    follow: () => {
      const before = bench.root()?.dataset.run;
      bench.series = [];
      bench.following = true;
      const watch = () => {
        const { run, count, status } = bench.root()?.dataset ?? {};
        const last = bench.series.at(-1);
        if (run && run !== before && (!last || last.count !== Number(count) || last.status !== status)) {
          const shown = bench.part("status").textContent.match(/([\d.]+) tokens\/s/);
          bench.series.push({ at: performance.now(), count: Number(count), status, shown: shown && Number(shown[1]) });
        }
        if (bench.following) requestAnimationFrame(watch);
      };
      requestAnimationFrame(watch);
    },

    /** Moves a sampling slider; milliseconds until the bars of this step say something else, painted. */
    slide: async (label, value) => {
      const input = bench.root().querySelector(`input[aria-label="${label}"]`);
      const said = () => [...bench.part("bars").querySelectorAll(".mx-num")].map((node) => node.textContent).join("|");
      const before = said();
      const began = performance.now();
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
      await until(() => said() !== before);
      return (await bench.painted()) - began;
    },

    /** Puts the playhead at a step, and waits until it is drawn. */
    at: async (step) => {
      bench.part("slider").value = step;
      bench.part("slider").dispatchEvent(new Event("input"));
      await until(() => Number(bench.root().dataset.step) === step);
      await bench.painted();
    },

    /** Looks from now on for what the next click on another word brings; looking later would count the asking. */
    expect: () => {
      bench.expected = bench.branched(bench.root().dataset.run);
    },

    /**
     * Milliseconds after a click, painted: until the branch is seen as far as the page knows it, until it is the
     * server's, and until that has a token more.
     */
    branched: async (before) => {
      const data = () => bench.root()?.dataset ?? { run: before };
      const answered = () => data().run !== before;
      const since = async (ready) => {
        await until(ready);
        return (await bench.painted()) - bench.clicked;
      };
      let first = null;
      const longer = () => {
        const { count, status } = data();
        if (answered()) first ??= Number(count);
        return first !== null && (Number(count) > first || status === "done");
      };
      const seen = () => data().foreseen === "1" || answered();
      const [shown, first_answer, grown] = await Promise.all([since(seen), since(answered), since(longer)]);
      return { shown, answered: first_answer, grown };
    },

    /** Plays from the beginning at the highest speed: pictures a second, and the longest wait for a frame. */
    play: async (seconds) => {
      const root = bench.root();
      const speed = bench.part("speed");
      speed.value = [...speed.options].at(-1).value;
      speed.dispatchEvent(new Event("change"));
      bench.part("slider").value = 0;
      bench.part("slider").dispatchEvent(new Event("input"));
      await bench.painted();
      root.querySelector("[data-act=play]").click();
      const began = performance.now();
      let [steps, last, before, longest] = [0, root.dataset.step, began, 0];
      while (performance.now() - began < 1000 * seconds) {
        const now = await frames(1);
        longest = Math.max(longest, now - before);
        before = now;
        if (root.dataset.step !== last) {
          steps += 1;
          last = root.dataset.step;
        }
      }
      root.querySelector("[data-act=play]").click();
      return { pictures: steps / ((performance.now() - began) / 1000), longest };
    },
  };
  globalThis.mxBench = bench;

  addEventListener(
    "click",
    (event) => {
      bench.clicked = event.timeStamp;
    },
    true,
  );

  // A step, from the key event to the frame after the one in which the playhead stands elsewhere.
  addEventListener(
    "keydown",
    (event) => {
      const root = bench.root();
      if (!root || !/^Arrow(Left|Right)$/.test(event.key)) return;
      const before = root.dataset.step;
      const observer = new MutationObserver(async () => {
        if (root.dataset.step === before) return;
        observer.disconnect();
        const changed = performance.now() - event.timeStamp;
        const picture = (await bench.painted()) - event.timeStamp;
        bench.steps.push({ changed, picture, draw: Number(root.dataset.drawMs) });
      });
      observer.observe(root, { attributes: true, attributeFilter: ["data-step"] });
    },
    true,
  );
})();
