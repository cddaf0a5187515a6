// The places of the page that show figures, and what is known of these.
import { attempt } from './attempt.js';
import { named } from './article.js';
import { places, text, zeros } from './figures.js';
import { ask } from './service.js';
import { soon } from './soon.js';
import { isByHash } from './tag.js';
import { visit } from './visit.js';
import { warn } from './warn.js';
import { draw, load } from './widget.js';

/** The most articles that a page asks for, and from how many characters on a query is full: proxies refuse long addresses. */
const MOST = 500;
const LONGEST = 2000;

let article; // on the page now
let answer = {}; // the last one that has figures
/** The articles' figures; none before the first answer and while another page comes. One is undefined while it is asked for. */
let articles;
let left; // how many articles can still be asked for
let turn; // counts the pages that are shown without loading

/** What a place contained when it was first seen, what was written into it, and of which article. */
const written = new WeakMap();

/**
 * Writes the figure of an article or of the site into a place that is new or that the page has reset; if it is not known, what the
 * place contained first, unless it shows an older figure of the same. A place that something else has changed is left alone.
 */
const write = (place, id, padding, plain) => {
  const now = place.textContent;
  const [first, last, of] = written.get(place) || [now];
  if (plain == null) plain = of === id ? now : first;
  if (now === padding + plain || now !== first && now !== last) return;
  written.set(place, [first, padding + plain, id]);
  place.textContent = plain;
  if (padding) {
    const skipped = document.createElement('span');
    skipped.setAttribute('aria-hidden', true); // screen readers skip leading zeros
    skipped.append(padding);
    place.prepend(skipped);
  }
};

const until = Date.now() + 5e3;
/**
 * React compares the page with what its server has sent, so it must see a place first; after five seconds it need not. It marks
 * what it has seen, but begins again if it needs another script, until all of its root is no longer "dehydrated".
 */
const isHydrating = place => {
  // A list of one name, as a key, is that name.
  const mark = (node, name) => node[Object.keys(node).filter(key => name.test(key))];
  let is = window.__next || window.__next_f;
  attempt(() => {
    let root = place;
    while (!mark(root, /^__reactC/)) root = root.parentNode; // fails if there is none
    is = mark(root, /^__reactC/).stateNode.current.memoizedState.isDehydrated || !mark(place, /^__reactF/);
  });
  return is;
};

/** Fills places one by one. If the page has replaced what that needs, the place stays as it is. */
const each = (all, fill) => all.map(place => attempt(() => Date.now() < until && isHydrating(place) ? later() : fill(place)));

/** The article of a place such as `article.total`; false if it shows a figure of the site, such as `total` or `visits.total`. */
const articleOf = ({ dataset = { truycap: '' } }) => dataset.truycap[7] === '.' && (dataset.article ? named(dataset.article) : article);

const showFigures = () => each(places(''), place => {
  const { truycap, digits } = place.dataset;
  const id = articleOf(place);
  const figures = id !== false ? articles[id] : truycap[6] === '.' ? answer.visits : answer.site && { ...answer.site, ...answer.visitors };
  const n = figures && figures[truycap.split('.').pop()];
  if (n >= 0 && Number.isSafeInteger(n)) write(place, id, zeros(n, digits), digits ? n : text(n));
  else if (figures && n == null && answer.visitors !== null) warn(`no figure "${truycap}", only ${Object.keys(figures)}`);
  else write(place, id, '');
});

/** Fills all places with what is known, and asks for articles that are not, part by part. A part that fails does not stop the others. */
const scan = async () => {
  load();
  draw(isByHash, answer, ask, each, later);
  let query;
  do {
    showFigures();
    query = '';
    let count = 0;
    for (const id of places('').map(articleOf)) {
      if (id && !(id in articles) && query.length < LONGEST && count < 50 && left > 0) {
        articles[id] = undefined;
        query += '&article=' + encodeURIComponent(id);
        count++;
        left--;
      }
    }
    if (query) Object.assign(articles, (await ask('figures?' + query)).articles);
  } while (query && articles);
};

/** Looks at the page again, once for all that changes in a tenth of a second. */
export const later = soon(() => articles ? scan() : showFigures(), 100);

/** Replaces all that is known by a new answer. If there is none, the page stays as it is. */
const renew = async (path, body) => {
  load(); // the widget loads while the service answers
  const mine = turn;
  const all = await ask(path, body);
  // An answer for the page before says nothing of this page.
  if (mine !== turn || !all.articles) return;
  answer = all;
  // An id can have any name that JavaScript's own objects have.
  articles = { __proto__: null, ...all.articles };
  left = MOST;
  await scan();
};

/** Fills nothing until the next answer, and takes back figures of the page's article if the next page's is not known yet. */
export const pause = id => {
  article = id;
  showFigures();
  articles = 0;
  turn = {};
};

/** Fills the page without counting. */
export const fill = () => renew('figures');

/** Counts a view of an article, or of the site alone, and fills the page. */
export const view = id => {
  pause(id);
  // `JSON.stringify` is not the same on pages with Prototype.js. An id has no control characters.
  return renew('views', `{${visit()}"article":${id ? `"${id.replace(/["\\]/g, '\\$&')}"` : null}}`);
};
