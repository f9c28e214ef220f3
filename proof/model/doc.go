// Package model compares the Service with a small model of it, over random sequences of
// acts by users, an operator and an attacker on two instances that share a store, with
// crashes in between. It has only tests.
//
// It is a Go module of its own, so that pgregory.net/rapid never becomes a dependency of
// a program that uses Usher.
package model
