// The image that every pod's sandbox runs, for the tests: no registry is asked for one.
module shoal/services/pause

go 1.21
