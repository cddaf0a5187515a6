const said = {};

/** Says what the web master can change: each sentence once. */
export const warn = text => {
  try {
    said[text] || console.warn('truycap: ' + (said[text] = text));
  } catch {} // a page without a console
};
