// The box, with the same elements as `src/http/pages/box_page.rs`.
import { text, zeros } from '../counter/figures.js';
import { make } from './make.js';

const labels = {
  today: 'Hôm nay', yesterday: 'Hôm qua', this_week: 'Tuần này', last_week: 'Tuần trước',
  this_month: 'Tháng này', last_month: 'Tháng trước', this_year: 'Năm nay', last_year: 'Năm trước',
};

const capital = name => name[0].toUpperCase() + name.slice(1);

/** The box of a site's figures, with the labels that its place sets. */
export const box = (site, { dataset }) => {
  const isVietnamese = /^(vi\b|$)/i.test(document.documentElement.lang);
  const { total } = site;
  return make('section', { class: 'truycap-box', lang: isVietnamese ? 'vi' : 'en' },
    make('h2', {}, isVietnamese ? 'Thống kê truy cập' : 'Visitor statistics'),
    make('p', { class: 'truycap-total' },
      // Screen readers get the whole number instead of eleven single digits.
      make('span', { class: 'truycap-said' }, (isVietnamese ? 'Tổng số lượt truy cập: ' : 'Total views: ') + text(total)),
      make('span', { class: 'truycap-digits', 'aria-hidden': true },
        ...[...zeros(total, 11)].map(n => make('i', {}, n)),
        ...[...`${total}`].map(n => make('b', {}, n)))),
    make('dl', {}, ...Object.keys(labels).map(name => make('div', {},
      make('dt', {}, dataset['label' + capital(name)] || (isVietnamese ? labels[name] : capital(name).replace('_', ' '))),
      make('dd', {}, text(site[name]))))));
};
