// Package visit reads from a request which client sent it and which session it has,
// and keeps tokens in the browser.
package visit
