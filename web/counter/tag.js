// The tag of this script, and what it says.

const has = script => script && script.dataset.site;

/** The tag that loads this script. A module has no current script, and a bundle is in the script of something else. */
export const tag = has(document.currentScript) ? document.currentScript : document.querySelector('script[data-site]');
/** The site's id. An id that the service accepts is the same encoded. */
export const site = tag && encodeURIComponent(has(tag) || '');
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
  for (const other of tags()) {
    try {
      if (other !== tag) document.head.removeChild(other);
    } catch {} // in the body, which Turbo replaces
  }
};
