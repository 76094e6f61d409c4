// Package cron reads schedules in cron's five fields, and says when they come.
//
// It is pure: it neither waits nor knows what time it is. [Parse] reads an
// expression, [Schedule.Next] gives the next moment after another one, in that
// one's time zone. The doc of Next says what happens where a zone's clock is
// turned forward or back. The package supervisor does the waiting.
package cron
