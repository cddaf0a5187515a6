// Where figures are shown, and how they are written.

/** The places of the page with this attribute. */
export const places = name => [...document.querySelectorAll(`[data-truycap${name}]`)];

export const isCount = n => n >= 0 && Number.isSafeInteger(n);

const lang = () => document.documentElement.lang.replace('_', '-');

/** A count as the page's language writes it, in ASCII digits unless its code names others (`ar-u-nu-arab`). Throws what is no count. */
export const text = n => {
  if (!isCount(n)) throw n;
  try {
    return n.toLocaleString(lang() + (/-u-/.test(lang()) ? '' : '-u-nu-latn'));
  } catch {
    return n.toLocaleString('vi');
  }
};

/** The zeros that fill a count up to a number of digits. */
export const zeros = (n, digits) => ''.padStart(Math.min(digits, 20) - `${n}`.length, 0);
