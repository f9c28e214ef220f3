// Package webtest is what the tests of packages handlers and pages share: the
// handlers on a store in memory, clients that are programs and browsers, and the
// checks that hold for every answer.
package webtest
