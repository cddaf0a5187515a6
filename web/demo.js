// The buttons above the most-read list: each selects a period. A portal needs no more code than this.

const list = document.querySelector('.most-read');
const buttons = document.querySelectorAll('.periods button');

for (const button of buttons) {
  button.addEventListener('click', () => {
    for (const other of buttons) other.setAttribute('aria-pressed', String(other === button));
    list.dataset.truycapTop = button.value; // the list is filled again
  });
}
