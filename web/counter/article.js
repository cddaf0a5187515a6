// Which article the page is.
import { attempt } from './attempt.js';
import { normal } from './id.js';
import { current, isByHash } from './tag.js';
import { warn } from './warn.js';

/** The id that a text names; undefined for `none`, and for one that the service would refuse. */
export const named = text => {
  const id = normal(text);
  if (text === 'none') return;
  // Each byte of UTF-8 that is not a plain letter is encoded as three characters. Half a surrogate pair fails.
  if (attempt(() => !/[\0-\x1f\x7f-\x9f]/.test(id) && encodeURIComponent(id).replace(/%../g, 1).length < 257)) return id;
  warn('an id has up to 256 bytes, no control characters: ' + id.slice(0, 99));
};

const isHttp = address => /^http/.test(address);

/** The page's own path; with `data-hash` and its route. */
export const path = () => location.pathname + (isByHash && /^#!?\/[^?]+/.exec(location.hash) || '');

/** The address of the canonical link, if ids depend on it. */
export const canonical = () => attempt(() => !isByHash && document.querySelector('[rel=canonical]').href);

export let before; // what the tag named at the last view

/**
 * The id of the page with this path and canonical link; undefined if only the site is counted. If the page came without
 * loading, a tag that has not changed names the article that was there before.
 */
export const article = (own, address, isNew) => {
  let given = current().dataset.article;
  if (isNew && given === before && given !== 'none') given = '';
  else before = given;
  const link = document.createElement('a');
  if (isHttp(address)) link.href = address;
  if (isHttp(location)) return named(given || link.pathname || own);
};
