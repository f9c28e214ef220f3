// Package openapi compares docs/openapi.json with the requests and answers of a running
// program. It is a module of its own, so that the library which validates them never becomes a
// dependency of a program that uses Usher.
package openapi
