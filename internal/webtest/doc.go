// Package webtest has the helpers of the tests of packages handlers and pages:
// handlers on a store in memory, clients that act as programs and as browsers, and
// checks that hold for every answer.
package webtest
