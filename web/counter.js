// Fills the demo page: counts this page view, then writes the figures that come back into the spots
// the page has marked with data-truycap and data-truycap-box. Without an answer the page stays as it was.

const script = document.currentScript;
const { site, article } = script.dataset;
const lang = document.documentElement.lang || 'vi';

const labels = {
  vi: {
    heading: 'Thống kê truy cập', total: 'Tổng số lượt truy cập:',
    today: 'Hôm nay', yesterday: 'Hôm qua', this_week: 'Tuần này', last_week: 'Tuần trước',
    this_month: 'Tháng này', last_month: 'Tháng trước', this_year: 'Năm này', last_year: 'Năm trước',
  },
  en: {
    heading: 'Visitor statistics', total: 'Total views:',
    today: 'Today', yesterday: 'Yesterday', this_week: 'This week', last_week: 'Last week',
    this_month: 'This month', last_month: 'Last month', this_year: 'This year', last_year: 'Last year',
  },
};

// Text goes in as text nodes only, so no answer, whatever it holds, can become markup.
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function box(figures, number) {
  const language = lang.startsWith('vi') ? 'vi' : 'en';
  const { heading, total, ...periods } = labels[language];
  const digits = String(figures.total);
  const zeros = '0'.repeat(Math.max(0, 11 - digits.length));
  return element('section', { class: 'truycap-box', lang: language },
    element('h2', {}, heading),
    element('p', { class: 'truycap-total' },
      // Eleven single digits make poor listening: a screen reader is given the number instead.
      element('span', { class: 'truycap-said' }, `${total} ${number.format(figures.total)}`),
      element('span', { class: 'truycap-digits', 'aria-hidden': 'true' },
        ...[...zeros].map((zero) => element('i', {}, zero)),
        ...[...digits].map((digit) => element('b', {}, digit)))),
    element('dl', {}, ...Object.entries(periods).map(([period, label]) =>
      element('div', {}, element('dt', {}, label), element('dd', {}, number.format(figures[period]))))));
}

function fill({ site: figures, articles }) {
  const number = new Intl.NumberFormat(lang);
  for (const spot of document.querySelectorAll('[data-truycap]')) {
    const [, ofArticle, period] = /^(article\.)?(.*)$/.exec(spot.dataset.truycap);
    const from = ofArticle ? articles[spot.dataset.article ?? article] : figures;
    const count = from?.[period];
    if (count === undefined) continue; // not known just now: the placeholder stays
    const { digits } = spot.dataset;
    spot.textContent = digits ? String(count).padStart(digits, '0') : number.format(count);
  }
  if (!figures) return;
  for (const place of document.querySelectorAll('[data-truycap-box]')) place.replaceChildren(box(figures, number));
}

async function view() {
  // Beside the script, not the page: a portal may load this file from another host.
  const response = await fetch(new URL(`/v1/sites/${encodeURIComponent(site)}/views`, script.src), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ article }),
    keepalive: true, // the view counts even if the reader is gone before the answer comes
  });
  if (response.ok) fill(await response.json());
}

// A counter must never be what breaks a page.
view().catch((error) => console.debug('truycap:', error));
