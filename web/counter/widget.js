// Box and lists are in a script of their own, which is loaded if the page has one of them.
import { attempt } from './attempt.js';
import { later } from './places.js';
import { base, tag } from './tag.js';

/** Draws boxes and lists when the script is loaded. */
export let draw = () => {};
let script;

/** What `widget.js` calls when it is loaded. */
export const widget = drawing => {
  draw = drawing;
  later();
};

/** Loads the script if the page needs it. */
export const load = () => {
  if (script || !document.querySelector('[data-truycap-box],[data-truycap-top]')) return;
  script = document.createElement('script');
  script.nonce = tag.nonce;
  const src = base + 'widget.js';
  attempt(() => {
    // Pages with Trusted Types take no plain address.
    script.src = attempt(() => trustedTypes.createPolicy('truycap', { createScriptURL: url => url }).createScriptURL(src)) || src;
    document.head.append(script);
  });
};
