// Package logs protects the program's log: from handlers that panic ([Guard]),
// from personal data ([Network], [Hash]), and from text that clients choose
// ([RequestID]).
package logs
