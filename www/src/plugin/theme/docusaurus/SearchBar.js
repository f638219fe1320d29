/** The classic theme's search bar: the element, which goes to pages without loading them anew. */
import { useHistory } from '@docusaurus/router';
import { usePluginData } from '@docusaurus/useGlobalData';
import { createElement, useEffect } from 'react';

const style = {
  '--coracle-accent': 'var(--ifm-color-primary)',
  '--coracle-surface': 'var(--ifm-background-surface-color)',
  '--coracle-raised': 'var(--ifm-color-emphasis-100)',
  '--coracle-text': 'var(--ifm-font-color-base)',
  '--coracle-muted': 'var(--ifm-color-emphasis-700)',
  '--coracle-border': 'var(--ifm-color-emphasis-300)',
};

export default function SearchBar() {
  const history = useHistory();
  const { src, attributes } = usePluginData('coracle');
  // Not before React has found the page as it was rendered: the element puts a field into itself.
  useEffect(() => {
    for (const name of ['search', 'modal']) void import(/* webpackIgnore: true */ `${src}coracle-${name}.js`);
  }, [src]);
  const onClick = (event) => {
    const link = event.nativeEvent.composedPath().find((node) => node instanceof HTMLAnchorElement);
    if (!link || link.origin !== location.origin || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.push(link.pathname + link.search + link.hash);
  };
  return createElement('coracle-modal', { src, style, ...attributes, onClick });
}
