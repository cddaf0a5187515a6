const { src } = document.currentScript || {};
/** The address of the style sheet; undefined if the page hides the script from itself, by an element of that name. */
const address = src && src.replace(/\.js$/, '.css');

let link;
let isReady;
let whenReady = () => {};

/** The page's own link to the style sheet. A theme can have a file of the same name, so the whole address counts. */
const find = () => [...document.querySelectorAll('link[rel~=stylesheet]')].filter(({ href }) => href.startsWith(address))[0];

/** A new link. A sheet that a script adds holds up nothing. */
const add = () => {
  const added = document.createElement('link');
  added.rel = 'stylesheet';
  added.href = address;
  document.head.appendChild(added);
  return added;
};

/**
 * Adds the style sheet if the page has none. Returns whether boxes and lists can be drawn: without their style they would
 * jump when it comes. A sheet that does not come is not waited for.
 */
export const addStyle = then => {
  whenReady = then || whenReady;
  if (!address || link && link.isConnected) return isReady || !address;
  link = find() || add();
  isReady = !!link.sheet;
  const ready = () => {
    if (!isReady) whenReady(isReady = true);
  };
  link.addEventListener('load', ready);
  link.addEventListener('error', ready);
  setTimeout(ready, 3e3);
  return isReady;
};
