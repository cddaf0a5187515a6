// When the page is viewed: at load, and when its router changes the address.
import { article, before, canonical, path } from './article.js';
import { attempt } from './attempt.js';
import { normal } from './id.js';
import { pause, view } from './places.js';
import { soon } from './soon.js';
import { current } from './tag.js';

const once = (...names) => new Promise(done => names.map(name => addEventListener(name, done, true)));

/**
 * When the page is shown, and its own scripts have run: its head is complete, and frameworks have seen what their servers sent.
 * A reader who leaves before that has still viewed it.
 */
export const ready = (async () => {
  if (document.prerendering) await once('prerenderingchange');
  if (!attempt(() => performance.timing.domContentLoadedEventStart) && document.readyState !== 'complete') {
    await once('DOMContentLoaded', 'load', 'pagehide');
  }
})();

let here; // the path of the last view
let link; // the canonical link of the page that is shown
let shown; // the article of the last view
let own; // the path that waits for its canonical link
let tenths; // how long it has waited

/** The article of the page that was loaded. */
export const loaded = () => article(path(), link = canonical());

/** Counts the page of a new path when it has its tag or its canonical link, which can come with the path or a little later. */
const arrive = isLeaving => {
  if (!own) return;
  const now = canonical();
  if (
    isLeaving ||
    current().dataset.article !== before || // the tag is another one
    now && now !== link ||
    tenths > (link ? 20 : 5) && !(tenths < 99 && document.querySelector('html[aria-busy=true]')) // as Turbo sets it
  ) {
    // If the reader is on the way to another page, a new link may be of that page.
    view(shown = article(own, !isLeaving && now !== link && now, 1));
    own = 0;
  } else {
    wait();
  }
};

const check = () => {
  if (here && normal(here) !== normal(here = path())) {
    arrive(1);
    pause();
    own = here;
    tenths = 0;
  }
  arrive();
  // A link that comes after the view is of this page too.
  if (!own) link = canonical();
};

const wait = soon(() => {
  tenths++;
  check();
}, 100);

/** Looks at the path soon, once for all that a router does in one task. */
export const moved = soon(check);

/** Counts the page that was loaded, and all that follow it. */
export const start = () => ready.then(() => {
  here = path();
  view(shown = loaded());
  addEventListener('pageshow', event => event.persisted && view(shown)); // restored by the back button
  addEventListener('pagehide', () => {
    check();
    arrive(1);
  });
  addEventListener('popstate', moved);
  // In other browsers, the observer of the page sees the content of a new path.
  attempt(() => navigation.addEventListener('currententrychange', moved));
});
