<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * English strings.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

defined('MOODLE_INTERNAL') || die();

$string['asyncduplicate:cancelany'] = 'Cancel course duplications of other users';
$string['asyncduplicate:viewall'] = 'See course duplications of all users';
$string['cancelled'] = 'The duplication was cancelled.';
$string['concurrency'] = 'Copies at the same time';
$string['concurrency_desc'] = 'How many copies may run at the same time. Moodle\'s own limit for all ad hoc tasks (task_adhoc_concurrency_limit) applies as well.';
$string['copiesinprogress'] = 'Copies in progress';
$string['cronlastrun'] = 'Cron was started last: {$a}.';
$string['cronlate'] = 'It should run every minute. Copies begin when it runs again.';
$string['cronnever'] = 'Cron has never run. Copies begin when it does.';
$string['eventduplicationfailed'] = 'Course duplication failed';
$string['eventduplicationqueued'] = 'Course duplication queued';
$string['eventduplicationsucceeded'] = 'Course duplication done';
$string['keep'] = 'Keep finished duplications for';
$string['keep_desc'] = 'How long status, result and idempotency key of a finished duplication are kept. 0 keeps them for ever.';
$string['messagefailed'] = 'The course "{$a->fullname}" ({$a->shortname}) could not be made. Reason: {$a->reason}';
$string['messagefailedsubject'] = 'Course copy failed: {$a->shortname}';
$string['messageprovider:failed'] = 'A course duplication that you started failed';
$string['messageprovider:succeeded'] = 'A course duplication that you started is done';
$string['messagesucceeded'] = 'The course "{$a->fullname}" ({$a->shortname}) is ready.';
$string['messagesucceededsubject'] = 'Course copy is ready: {$a->shortname}';
$string['nocopies'] = 'There are no copies.';
$string['notify'] = 'Send messages';
$string['notify_desc'] = 'Tell the caller when a copy is done or has failed. Callers choose in their preferences how they get these messages.';
$string['phasebackup'] = 'Backup';
$string['phaserestore'] = 'Restore';
$string['pluginname'] = 'Asynchronous course duplication';
$string['privacy:metadata'] = 'Course duplications and the users who started them.';
$string['privacy:metadata:fullname'] = 'Full name of the copy';
$string['privacy:metadata:shortname'] = 'Short name of the copy';
$string['privacy:metadata:sourceid'] = 'Course that was duplicated';
$string['privacy:metadata:status'] = 'How far the duplication is, or how it ended';
$string['privacy:metadata:timecreated'] = 'When the duplication was started';
$string['privacy:metadata:timefinished'] = 'When the duplication ended';
$string['privacy:metadata:userid'] = 'User who started the duplication';
$string['processdied'] = 'The process that made the copy ended unexpectedly.';
$string['progress'] = 'Progress';
$string['reason'] = 'Reason';
$string['source'] = 'Source';
$string['started'] = 'Started';
$string['startedby'] = 'Started by';
$string['state'] = 'State';
$string['stateahead'] = 'tasks before it: {$a}';
$string['statecancelled'] = 'Cancelled';
$string['statefailed'] = 'Failed';
$string['statequeued'] = 'Waiting';
$string['staterunning'] = 'Running';
$string['statesucceeded'] = 'Done';
$string['taskduplicate'] = 'Duplicate a course';
$string['taskgone'] = 'The task that should have made the copy was removed from Moodle\'s queue.';
$string['taskreap'] = 'Clean up after interrupted course duplications';
$string['unknownduplication'] = 'There is no such duplication: {$a}';
