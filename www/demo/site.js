// The demo's own few lines: example questions, and what the last search cost.
const field = document.querySelector('.hero coracle-search');

for (const example of document.querySelectorAll('[data-examples] button')) {
  example.addEventListener('click', () => {
    field.focus();
    field.value = example.textContent;
  });
}

// On phones the guide's contents would push the page itself out of sight.
if (matchMedia('(max-width: 48rem)').matches) document.querySelector('.contents details')?.removeAttribute('open');

const cost = document.querySelector('[data-cost]');
field?.addEventListener('coracle-results', ({ detail }) => {
  const { bytes, requests, waves } = detail.stats;
  const read = `${requests} ${requests === 1 ? 'read' : 'reads'}, ${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`;
  const rounds = `${waves} ${waves === 1 ? 'round trip' : 'round trips'}`;
  const said = requests === 0 ? 'Answered from memory: nothing was read.' : `This answer took ${read}, in ${rounds}.`;
  const why = document.createElement('a');
  why.href = `/playground/?q=${encodeURIComponent(detail.query)}`;
  why.textContent = 'Why these hits?';
  cost.replaceChildren(`${said} `, why);
});
