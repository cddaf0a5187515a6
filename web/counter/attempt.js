/** The result of what can fail, because the page has replaced what it needs or an old browser lacks it; undefined if it fails. */
export const attempt = what => {
  try {
    return what();
  } catch {}
};
