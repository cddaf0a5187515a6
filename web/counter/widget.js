// Box and lists are in a script of their own, which is loaded if the page has one of them.
import { later } from './places.js';
import { base, tag } from './tag.js';

let draw;
let script;

/** What `widget.js` calls when it is loaded. */
export const widget = drawing => {
  draw = drawing;
  later();
};

/** Draws boxes and lists, or loads what draws them. */
export const showWidget = kit => {
  if (draw) return kit && draw(kit);
  if (script || !document.querySelector('[data-truycap-box],[data-truycap-top]')) return;
  const src = base + 'widget.js';
  script = document.createElement('script');
  script.nonce = tag.nonce;
  try {
    // Pages with Trusted Types take no plain address.
    script.src = window.trustedTypes ? trustedTypes.createPolicy('truycap', { createScriptURL: url => url }).createScriptURL(src) : src;
    document.head.appendChild(script);
  } catch {}
};
