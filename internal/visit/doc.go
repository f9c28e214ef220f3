// Package visit reads the client and the session of a request, and sets and clears
// the cookies of the browser.
package visit
