// The elements in Firefox.
import { testElements } from './support/elements.mjs';
import * as firefox from './support/firefox.mjs';

testElements(firefox);
