// Package logs protects the program's log: from handlers that panic ([Guard]),
// from personal data ([Network], [Hash]), from text that clients choose ([Clean]), and
// from lines that they can cause without end ([Minute]).
package logs
