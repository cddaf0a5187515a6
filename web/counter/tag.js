// The tag of this script, and what it says.

import { attempt } from './attempt.js';

/** The tag that loads this script. A module has no current script, and a bundle is in the script of something else. */
export const [tag] = [document.currentScript, document.querySelector('script[data-site]')].filter(script => script && script.dataset.site);
/** The site's id. An id that the service accepts is the same encoded. */
export const site = tag && encodeURIComponent(tag.dataset.site);
const { hash, host, manual } = tag ? tag.dataset : {};
export const isByHash = hash != null;
export { manual };

/** The address of the service: what precedes `v1/` and `widget.js`. */
export const base = host ? host.replace(/\/*$/, '/') : tag && tag.src.replace(/[^/?#]*([?#].*)?$/, '');

const tags = () => [...document.querySelectorAll(`script[data-site="${site}"]`)];

/** The tag of the page that is shown now. */
export const current = () => tags().pop() || tag;

/** Removes older tags from the head. Turbo leaves those of earlier pages there, and adds a tag only if it is not there yet. */
export const replaceOlder = () => {
  tags().map(other => attempt(() => other !== tag && document.head.removeChild(other))); // fails in the body, which Turbo replaces
};
