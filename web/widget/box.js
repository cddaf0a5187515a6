// The box, with the same elements as `src/http/pages/box_page.rs`.
import { zeros } from '../counter/figures.js';
import { warn } from '../counter/warn.js';
import { count } from './count.js';
import { make } from './make.js';

const ROWS = 'today yesterday this_week last_week this_month last_month this_year last_year';

const vietnamese = {
  online: 'Đang truy cập', visitors_today: 'Khách hôm nay',
  today: 'Hôm nay', yesterday: 'Hôm qua', this_week: 'Tuần này', last_week: 'Tuần trước',
  this_month: 'Tháng này', last_month: 'Tháng trước', this_year: 'Năm nay', last_year: 'Năm trước', total: 'Tổng số',
};

const capital = name => name[0].toUpperCase() + name.slice(1);

/** The box of an answer, with what its place sets: the kind of figures, rows, labels, digits, and whether its heading is hidden. */
export const box = ({ site, visits, visitors }, { dataset }) => {
  const { truycapBox, bare, digits, theme = 'auto' } = dataset;
  const isOfVisits = truycapBox === 'visits';
  const figures = { __proto__: null, ...(isOfVisits ? visits : site), ...visitors };
  const { total } = figures;
  const isVietnamese = /^(vi\b|$)/i.test(document.documentElement.lang);
  const say = (inVietnamese, inEnglish) => isVietnamese ? inVietnamese : inEnglish;
  // Visitors that are not known yet have a dash.
  const isKnown = name => name in figures || visitors === null && /^online$|^visitors_/.test(name);
  const labelOf = name => dataset['label' + capital(name)];

  const names = (dataset.rows || (dataset.rows == null ? ROWS : '')).split(/[\s,]+/).filter(name => name);
  for (const name of names) if (!isKnown(name)) warn(`no figure "${name}", only ${Object.keys(figures)}`);
  if (!/^(light|dark|auto)$/.test(theme)) warn('data-theme is not one of light, dark, auto');

  const all = [make('h2', bare == null ? {} : { class: 'truycap-said' }, say('Thống kê truy cập', 'Visitor statistics'))];
  if (digits || !names.includes('total')) {
    const what = labelOf('total') || say(isOfVisits ? 'Tổng số lượt truy cập' : 'Tổng số lượt xem', isOfVisits ? 'Total visits' : 'Total views');
    all.push(make('p', { class: 'truycap-total' },
      // Screen readers get the whole number instead of eleven single digits.
      make('span', { class: 'truycap-said' }, `${what}: ${count(total)}`),
      make('span', { class: 'truycap-digits', 'aria-hidden': true },
        ...[...zeros(total, digits || 11)].map(n => make('i', {}, n)),
        ...[...`${total}`].map(n => make('b', {}, n)))));
  }
  if (names[0]) {
    all.push(make('dl', {}, ...names.filter(isKnown).map(name => make('div', {},
      make('dt', {}, labelOf(name) || say(vietnamese[name], capital(name).replace('_', ' '))),
      make('dd', {}, name in figures ? count(figures[name]) : '–')))));
  }
  return make('section', { class: 'truycap-box', lang: say('vi', 'en') }, ...all);
};
