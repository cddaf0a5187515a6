// The rows of most-read lists.
import { normal } from '../counter/id.js';
import { count } from './count.js';
import { make } from './make.js';

const bare = host => host.replace(/^www\./, '');

/** The titles of articles, by links of the page: what a link or its heading says, otherwise the longest text of a link. */
const titles = (hash, ids) => {
  const found = { __proto__: null };
  for (const link of document.links) {
    // A link to a part of a page, such as to its comments, does not have the page's title.
    const route = hash && /^#!?\/[^?]+/.exec(link.hash) || '';
    const id = !link.hash === !route && bare(link.host) === bare(location.host) && normal(link.pathname + route);
    if (!ids.includes(id) || link.closest('[data-truycap-top]')) continue;
    const heading = link.querySelector('h1,h2,h3,h4,h5,h6');
    const given = (link.title || heading && heading.textContent || '').trim();
    const text = given || link.textContent.trim();
    const [title = '', isGiven] = found[id] || [];
    if (!isGiven && (given || text.length > title.length)) found[id] = [text, given];
  }
  return found;
};

/** An id as text: characters that hide or reorder what is around them are percent-encoded. */
const visible = id =>
  id.replace(/[\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g, encodeURIComponent);

/** The address of an article; none if its id is not a path. */
const href = (article, hash) => {
  const path = encodeURIComponent(article).replace(/%2F/g, '/');
  return article[0] === '/' && { href: location.origin + (hash ? path.replace('%23', '#') : path) };
};

export const rows = (hash, list) => {
  const known = titles(hash, list.map(row => row.article));
  return list.map(({ article, views, title }) => {
    const [onPage = visible(article)] = known[article] || [];
    return make('li', {}, make('a', Object.assign({ dir: 'auto' }, href(article, hash)), title || onPage), ' ', make('span', { class: 'truycap-views' }, count(views)));
  });
};
