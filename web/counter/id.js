// How ids are written. `tests/unit/domain/addresses.json` has cases on which this and the service agree.

/** The one spelling of an id. It is made once: what was decoded must not be decoded again. */
export const normal = id => {
  try { id = decodeURIComponent(id); } catch {} // not percent-encoded: kept as it is
  return id.normalize().replace(/;jsessionid=[^/]*|\/\(s\([a-z\d]+\)\)(?![^/])/gi, '').replace(/\/(index\.html)?$/, '') || '/';
};
