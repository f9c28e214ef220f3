// Package visit answers two questions about a request: who is asking, and what
// does the browser keep for the next time.
package visit
