// Package repotest tests the repository itself: who imports whom, the versions
// of dependencies, the programs and links in the documentation, the numbers that
// it states, and the catalogue of requirements. It contains tests only.
package repotest
