import { attempt } from './attempt.js';

const said = {};

/** Says what the web master can change: each sentence once. */
export const warn = text => {
  attempt(() => said[text] || console.warn('truycap: ' + (said[text] = text)));
};
