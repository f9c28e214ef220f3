// Package old runs the calls of proof/descope with an old release of Descope's SDK for Go.
package old
