// Where figures are shown, and how they are written.

import { attempt } from './attempt.js';

/** The places of the page with this attribute. */
export const places = name => [...document.querySelectorAll(`[data-truycap${name}]`)];

/** A count as the page's language writes it, in ASCII digits unless its code names others (`ar-u-nu-arab`). */
export const text = n => attempt(() => {
  return n.toLocaleString(document.documentElement.lang.replace('_', '-').replace(/^((?!-u-).)*$/, '$&-u-nu-latn'));
}) || n.toLocaleString('vi');

/** The zeros that fill a count up to a number of digits. */
export const zeros = (n, digits) => ''.padStart(Math.min(digits, 20) - `${n}`.length, 0);
