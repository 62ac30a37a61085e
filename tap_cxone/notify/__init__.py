"""cxone-notify: notifies webhook receivers of each window once, after it has been loaded.

The audit log is the only memory of ``cxone-notify``: the tap writes a line for each run that begins and each window
that it has extracted, and ``cxone-notify`` adds one for each run that was loaded and each delivery, to the file of
that run or window. A window is due to a receiver if (1) it has been loaded, (2) later loaded windows do not cover
it, and (3) no line says that it was delivered to this receiver. A window has been loaded if ``send`` has followed its
run, or if a later run began at a bookmark that is not before its end.

From these three sentences follow:

* Pruning: old lines may go, except those that decide whether a window is due, now or when its load is known.
* Moved files: it knows what is in the files that it is given, whatever their names are and in whichever of them a
  delivery is.
* Locking: two senders have to read each other's deliveries, so only one at a time uses a file. The tap only appends to
  it, so it runs meanwhile.

``observability.delivery_ledger`` reads this memory, ``sending`` adds to it, ``pruning`` and ``erasure`` shorten it. A
run that the log does not know counts as loaded. docs/notify.md is the page for users.
"""
