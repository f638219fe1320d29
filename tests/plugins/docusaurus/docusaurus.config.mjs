export default {
  title: 'Harbour',
  url: 'https://harbour.example',
  baseUrl: '/site/',
  presets: [['@docusaurus/preset-classic', { docs: { routeBasePath: '/' }, blog: { onInlineTags: 'ignore', onUntruncatedBlogPosts: 'ignore' } }]],
  plugins: [['@coracle-search/coracle/docusaurus', { embedder: 'none' }]],
};
