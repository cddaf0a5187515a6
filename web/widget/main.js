// Draws boxes and most-read lists. counter.js loads this if the page has one of them, and passes on what it knows.
import { places } from '../counter/figures.js';
import { box } from './box.js';
import { rows } from './list.js';
import { addStyle } from './style.js';

/** What a place was drawn of, and its first element. */
const drawn = new WeakMap();

/** Replaces the content of a place, unless it still has the one of the same answer. */
const replace = (place, answer, make) => {
  const [old, first] = drawn.get(place) || [];
  if (old === answer && place.contains(first)) return;
  const all = make();
  drawn.set(place, [answer, all[0]]);
  place.textContent = '';
  place.append(...all);
};

const query = ({ dataset: { truycapTop, limit, prefix } }) => {
  const all = { period: truycapTop, limit: limit || 10, prefix };
  return 'top?' + Object.keys(all).filter(name => all[name]).map(name => name + '=' + encodeURIComponent(all[name])).join('&');
};

let latest; // the last answer with figures
let answers = {}; // lists since then, by their queries

const draw = async (hash, answer, ask, each, later) => {
  if (answer !== latest) answers = {};
  latest = answer;
  const known = answers;
  const boxes = places('-box');
  const lists = places('-top').slice(0, 10);
  const isStyled = addStyle(later);
  const show = () => {
    if (!isStyled) return;
    if (answer.site) each(boxes, place => replace(place, answer, () => [box(answer, place)]));
    each(lists, place => {
      const list = known[query(place)];
      if (list && list[0]) replace(place, list, () => rows(hash, list));
    });
  };
  show();
  await Promise.all(lists.map(query).map(async question => {
    if (question in known) return;
    known[question] = undefined;
    const { articles } = await ask(question);
    known[question] = articles;
    if (known === answers) show();
  }));
};

addStyle();
if (window.truycap && truycap.widget) truycap.widget((...known) => draw(...known).catch(() => {}));
