// The elements in WebKitGTK, where it is on the machine.
import { testElements } from './support/elements.mjs';
import * as webkit from './support/webkit.mjs';

testElements(webkit);
