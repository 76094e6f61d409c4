package faults

import "strings"

// A Row is one way in which things go wrong.
type Row struct {
	ID      string // R1: of reliability; S1: of security
	Fault   string
	Promise string // what holds then
	// Tests show it, each as PACKAGE.TEST or PACKAGE.TEST/PART. At least one of them
	// tells its number: t.Attr(ID, "what was counted or measured").
	Tests []string
	// Gap is what no test shows, and why.
	Gap string
}

// Rows returns all faults, by their ids.
func Rows() []Row { return append(reliability(), security()...) }

func reliability() []Row {
	return []Row{
		{"R1", "a service is killed with SIGKILL",
			"the end is seen at once, has its reason, and the restart comes after its delay, varied by a tenth at most",
			[]string{"internal/faults.TestServiceKilled", "process.TestExitIsKnown", "supervisor.TestRestartPace"}, ""},
		{"R2", "the supervisor is killed with SIGKILL, or its guard, or both, or PID 1 of a container",
			"all that it ran is ended, also what has left its session, its environment and its parent; the next start finds no obstacle, and nothing runs twice",
			[]string{"internal/faults.TestSupervisorKilled", "internal/faults.TestSupervisorKilledAgainAndAgain", "process.TestGuardEndsServicesOfADeadSupervisor", "process.TestANewSupervisorEndsWhatTheOldOneLeft", "container.TestKilledContainer"}, ""},
		{"R3", "the kernel kills for lack of memory",
			"the reason is named, for the program itself and for its descendants; with a limit of its own, of a container, and of a group of cgroup v2; children have the score that was asked for, and none of the protection of the supervisor",
			[]string{"process.TestMemoryLimitIsTheReason", "process.TestOutOfMemoryOfADescendant", "process.TestOutOfMemoryAtTheEnd", "process.TestEarlierKillsAreNotBlamed", "process.TestOOMScoreOfChildren", "internal/guest.TestProtected", "container.TestOutOfMemory", "internal/guest.TestLimits"}, ""},
		{"R4", "the disk of the logs or of the state is full",
			"no service waits or ends for it; each line is kept or counted as lost, with the reason; the project is degraded until there is space; no record is torn",
			[]string{"servicelog.TestFullDisk", "servicelog.TestDegraded", "internal/faults.TestFullStateDisk", "process.TestJournalOnAFullDisk"}, ""},
		{"R5", "nobody reads stdout, or it or another standard file is closed",
			"services go on, their logs are complete, control and stop answer, and what was not shown is counted",
			[]string{"internal/faults.TestStdoutNobodyReads", "internal/faults.TestStdoutIsReadLater", "internal/faults.TestStandardFilesAreClosed", "servicelog.TestBrokenPipe"}, ""},
		{"R6", "the clock is set by a day, back or forward, or the machine was suspended",
			"nothing is restarted, stopped or run twice for it; the lines of the logs stay in order; a schedule runs once",
			[]string{"internal/guest.TestClockIsSet", "supervisor.TestSuspendedAndSet", "servicelog.TestClockIsSetBack", "servicelog.TestLinesAfterTheClockWasSetBack"}, "no machine is suspended for a test: its clock is simulated"},
		{"R7", "a program can't be started",
			"the reason is told apart and has a cure: no such program, interpreter, folder; not executable; no program; arguments too long; no more processes; being written, which is tried again",
			[]string{"process.TestStartErrorsSayWhy", "process.TestFileThatIsBeingWrittenIsRetried", "process.TestPidsLimitAndItsGroupIsRemoved", "supervisor.TestStartErrors"}, ""},
		{"R8", "file descriptors run out",
			"it is said before the start, with what is needed, what can run does, requests are answered, and no service is restarted because a probe of ours had no descriptor",
			[]string{"internal/faults.TestFewOpenFiles", "internal/faults.TestFewerFilesThanItNeeds", "probe.TestLackOfOurOwnIsNotHeldAgainstTheProcess", "process.TestFileReserve", "session.TestShortOfFiles"}, ""},
		{"R9", "services are restarted thousands of times",
			"descriptors, goroutines and zombies stay as many as they were; make soak judges the slope of memory",
			[]string{"internal/faults.TestSoak", "process.TestNothingLeaks", "supervisor.TestMachineLeaksNothing", "servicelog.TestNothingLeaksOverManyRuns"}, ""},
		{"R10", "thousands of orphans below PID 1",
			"all are reaped, and no exit status of a service is lost",
			[]string{"internal/faults.TestOrphansAsInit", "process.TestNoStatusIsLost", "process.TestInitReapsAThousandOrphans", "container.TestAThousandOrphans"}, ""},
		{"R11", "pids are given anew within moments",
			"no signal reaches a stranger that has got the pid of something that ended",
			[]string{"internal/faults.TestPidsAreGivenAnew", "process.TestAStrangerWithAKnownNumberIsSpared"}, ""},
		{"R12", "a storm of signals",
			"one orderly stop with exit code 0; SIGHUP reloads, a second Ctrl-C kills, SIGQUIT stops, others change nothing",
			[]string{"internal/faults.TestManyTerms", "internal/faults.TestStormOfSignals", "internal/faults.TestSecondCtrlCKillsAtOnce", "internal/faults.TestQuitTellsTheServices", "cmd/nix2gpu.TestScripts/signals"}, ""},
		{"R13", "a service does not end: it ignores SIGTERM, is stopped, traced, or in state D",
			"SIGTERM also reaches who is stopped; after the grace comes SIGKILL; who is traced is dead then, whatever the tracer does; what can't be killed is named once, with its state and what it waits for, exit code 1, and the stop of the project goes on without it, after one wait of 5 seconds, in a container within its time; a machine whose disk does not answer powers off all the same",
			[]string{"internal/faults.TestServiceIgnoresTerm", "internal/faults.TestUnkillable", "internal/guest.TestHungDisk", "internal/faults.TestTraced", "process.TestTermReachesAStoppedProcess", "process.TestStuckIsWaitedForOnce", "process.TestSweepWaitsForNothingAbandoned", "supervisor.TestStuck", "supervisor.TestStuckBeforeTheStop"}, ""},
		{"R14", "descendants leave their group, session, parent and environment",
			"none is left after a stop, a kill or a crash, also when the program has ended within moments",
			[]string{"internal/faults.TestManyDescendants", "internal/faults.TestGrandchildInItsOwnSession", "process.TestNoDescendantOutlivesAStop", "process.TestNoDescendantOutlivesACrash", "process.TestNothingIsLeftOfACrashLoop"}, ""},
		{"R15", "a program has ended, and the driver still holds its GPU memory",
			"the restart waits until it is free, at most 30 seconds, and says so",
			[]string{"internal/faults.TestRestartWaitsForGPUMemory", "supervisor.TestAwaitGPU"}, ""},
		{"R16", "a GPU falls off the bus, or nvidia-smi hangs",
			"the question is ended after its time; the driver's reports stand beside the exit of a service; a stop waits for no driver",
			[]string{"internal/faults.TestDriverHangs", "gpu.TestXids", "gpu.TestHang", "container.TestStopWhileDriverHangs"},
			"on a machine without a GPU, a stand-in answers for the driver"},
		{"R17", "a probe hangs, is sent an endless body or a redirect, answers byte by byte, or leaves children",
			"one check at a time, with a hard limit of time; the message stays short; nothing of a check is left",
			[]string{"probe.TestHTTP", "probe.TestTimeout", "probe.TestChecksNeverOverlap", "probe.TestExec", "probe.TestChecksLeaveNothingBehind", "supervisor.TestMachineExecProbe"}, ""},
		{"R18", "dependencies flap, are restarted, scaled, or go with a reload",
			"dependants do what the table says; nothing wedges, starts twice or too early, and a stop keeps its order and its budget",
			[]string{"supervisor.TestSearch", "supervisor.TestSimulation", "supervisor.TestMachineStorm"}, ""},
		{"R19", "a port or a socket is in use",
			"two services with one port are told with their places; who listens is named, at the start and when a service fails for it",
			[]string{"session.TestPreconditions", "process.TestListenerIsNamed", "supervisor.TestPortHint", "internal/faults.TestSocketOfAnotherProject", "cmd/nix2gpu.TestScripts/bad-machine"}, ""},
		{"R20", "a reload of a definition that is wrong",
			"the error has its place, and nothing of what runs has changed",
			[]string{"internal/faults.TestReloadOfWhatIsWrong", "control/server.TestReload", "cmd/nix2gpu.TestScripts/reload"}, ""},
		{"R21", "a flood of output: as fast as it goes, endless lines, binary, carriage returns, halves of characters",
			"memory stays bounded, all lines are kept or counted, and a quiet service beside it is heard",
			[]string{"internal/faults.TestFlood", "internal/faults.TestLongLine", "internal/faults.TestBurstAtExit", "servicelog.TestEndlessLine", "servicelog.TestFramingLosesNothing"}, ""},
		{"R22", "the power fails: files end anywhere",
			"what was whole is read, and what is written next is whole",
			[]string{"servicelog.TestDamagedFilesAreStillRead", "servicelog.TestAfterHalfRecord", "process.TestAStrangerWithAKnownNumberIsSpared", "rundir.TestLockOnAFullDisk"}, ""},
		{"R23", "a poor machine: a root that takes no files, no /tmp, a user without a name, no cgroups, no /proc of its own, a kernel without pidfds or clone3",
			"services run, and what is left out is said once",
			[]string{"internal/faults.TestPoorMachine", "process.TestWorksWithoutItsOwnProc", "container.TestReadOnlyRoot", "container.TestUserOfTheEngine", "internal/guest.TestRootless", "internal/guest.TestNoLandlock"}, ""},
		{"R24", "500 services, ten deep; cycles",
			"all run, in order, and stop in order; a cycle is printed whole, with its place",
			[]string{"internal/faults.TestManyServices", "project.TestValidate"}, ""},
		{"R25", "docker stop, podman stop, a rented machine that goes",
			"an orderly end at any moment from the first instruction on, within the engine's time, with the right exit code; each server gets its own stop signal",
			[]string{"container.TestStopAtAnyMoment", "container.TestStopDuringBoot", "process.TestGuardSendsTheServicesOwnSignal"},
			"no machine is rented for a test"},
	}
}

func security() []Row {
	return []Row{
		{"S1", "hostile definitions: mutants, aliases of aliases, 100 MB, deep nesting, duplicate and merged keys, NUL",
			"rejected with a place, in bounded memory; never a crash",
			[]string{"compose.TestHostileFiles", "compose.TestMutants", "compose.FuzzLoad", "definition.FuzzLoad", "definition.TestLimits", "safeyaml.FuzzRead", "nix/syntax.FuzzPrintRoundTrips"},
			"a test runs the committed inputs; go test -fuzz looks for more"},
		{"S2", "a hostile client: huge bodies and headers, wrong methods and paths, hundreds of connections, readers who stop reading",
			"everything is bounded, each for itself, and a request of somebody else is answered",
			[]string{"control/server.TestBodyIsBounded", "control/server.FuzzRouter", "control/server.FuzzWebsocketFrames", "control/server.TestIdleConnectionsLockNobodyOut", "control/server.TestFollowersAreBoundedApart", "control/server.TestTCPBoundsAPeer", "internal/faults.TestSocketFullOfConnections"}, ""},
		{"S3", "clients that send a byte now and then",
			"they are closed after the time for a header or a body, and lock nobody out",
			[]string{"control/server.TestTCPDropsTheSlow", "control/server.TestSlowBodyIsGivenUp", "control/server.TestIdleConnectionsLockNobodyOut"}, ""},
		{"S4", "a page in somebody's browser: cross-site requests, rebound names, websockets of other origins",
			"refused before anything is asked of the engine; no answer has a CORS header",
			[]string{"control/server.TestTCPRefusesPages", "control/server.TestTCPAdmitsByToken", "control/server.TestTCPStopsListeningToGuessers"}, ""},
		{"S5", "links, hard links, pipes and folders of others where we write",
			"none is followed, emptied or read, and it is said what is there",
			[]string{"internal/faults.TestPlantedInStateFolder", "internal/faults.TestStateFolderOfAnother", "safefile.TestPlantedThingsAreRefused", "servicelog.TestPlantedFilesAreRefused", "process.TestPlantedJournal", "container.TestProjectFollowsNoLink"}, ""},
		{"S6", "output that drives the terminal, or forges lines of others",
			"shown as text; no line can begin with the name of another service; --raw-log and files have the bytes",
			[]string{"servicelog.TestNothingCanForgeAPrefix", "servicelog.FuzzShow", "servicelog.TestHowLinesAreShown"}, ""},
		{"S7", "secrets in logs, status, events, the API, errors, arguments, images, other services",
			"nowhere but with who was given it; also after a killed supervisor",
			[]string{"internal/faults.TestSecretsAreNowhere", "internal/faults.TestSecretsOfAKilledSupervisor", "internal/faults.TestPasswordsOfServers", "container.TestSecretsInAContainer", "project.TestMaskString", "stage.TestNobodyInheritsASecret"}, ""},
		{"S8", "names that are paths, flags, or hundreds of characters long",
			"every file of a service is where it belongs, and two names are two files",
			[]string{"servicelog.TestIDsAreSafeFileNames", "servicelog.TestFolderIsOursAlone"}, ""},
		{"S9", "a service that wants more than it was given",
			"a sandbox keeps files, privileges and capabilities from it; a service gets no descriptor of ours, and no network where none was granted; a service of another user can't signal, trace, read or ask the supervisor, nor its siblings, nor write to the state",
			[]string{"process.TestPrivileges", "process.TestSandboxHidesFiles", "internal/faults.TestServiceOfAnotherUser", "process.TestChildInheritsOnlyStdio", "process.TestTrialReachesNobody", "control/server.TestSocketIsPrivate", "cmd/nix2gpu.TestScripts/sandbox"},
			"services of the supervisor's own user are its equals: they may connect to its socket unless a sandbox is set"},
		{"S10", "the supply chain",
			"few modules, each in the sums; the program is built without a network; it and an image have the same bytes each time; an image has an SBOM",
			[]string{"internal/arch.TestFewModules", "internal/faults.TestSameProgramTwice", "image/sbom.TestDocument", "cmd/nix2gpu.TestScripts/build"},
			"the list of known vulnerabilities is not on this machine; no release is signed"},
		{"S11", "the API as a way to run programs",
			"over TCP nothing but reading, start, stop and restart unless it was allowed; exec and secrets never; each route that changes something says what it needs; who asked for a change, or was shown secrets, is in supervisor.log with the result",
			[]string{"control/server.TestEveryChangeIsLogged", "control/server.TestWhatIsLoggedOfARequest", "control/server.TestTCPPermits", "control/server.TestChangesNeedAnAccess", "container.TestListenInAContainer"}, ""},
		{"S12", "files of the definition change while they are read, or belong to somebody else",
			"what is read is opened once, is a regular file of bounded size, and replaced as a whole; state that others may write to is refused, and a definition, its folder or an included file that they may write to is warned of",
			[]string{"cmd/nix2gpu.TestScripts/writers", "safefile.TestWriters", "safefile.TestReplace", "safefile.TestReadNamedIsBounded", "rundir.TestFoldersThatCannotBeUsed", "control/server.TestReadToken"}, ""},
	}
}

// Split returns the package of a test of a row, and its name in there.
func Split(test string) (pkg, name string) {
	i := strings.Index(test, ".Test")
	if i < 0 {
		i = strings.Index(test, ".Fuzz")
	}
	return test[:i], test[i+1:]
}
