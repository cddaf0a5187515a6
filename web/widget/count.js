import { text } from '../counter/figures.js';

/** A count as text. Throws what is no count, so nothing is drawn of a wrong answer. */
export const count = n => {
  if (!(n >= 0 && Number.isSafeInteger(n))) throw n;
  return text(n);
};
