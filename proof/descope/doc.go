// Package descope drives Descope's SDK for Go against package descope of this repository. It
// is a module of its own, so that the SDK never becomes a dependency of a program that uses
// Usher. The module proof/descope-old runs the same calls with an old release of the SDK.
package descope
