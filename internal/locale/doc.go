// Package locale finds the text of a key in the language of a reader. The texts
// are those of package texts, and those that the program replaces or adds.
package locale
