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
 * Messages to the caller.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use core\message\message;
use core_user;
use moodle_url;
use stdClass;

/**
 * Tells the caller how a duplication ended, by Moodle's message providers.
 */
class notifier {
    /**
     * Sends the message. Whoever cancelled a duplication knows.
     *
     * @param stdClass $job row that ended
     */
    public static function tell(stdClass $job): void {
        $state = jobs::state($job);
        $notify = get_config('local_asyncduplicate', 'notify');
        if ($state === 'cancelled' || $notify === '0' || !$job->userid || !core_user::is_real_user($job->userid, true)) {
            return;
        }
        $names = (object) [
            'fullname' => format_string($job->fullname),
            'shortname' => format_string($job->shortname),
            'reason' => (string) ($job->errormessage ?? ''),
        ];
        $url = $state === 'succeeded'
            ? new moodle_url('/course/view.php', ['id' => $job->courseid])
            : new moodle_url('/local/asyncduplicate/index.php', ['id' => $job->sourceid]);
        $text = get_string('message' . $state, 'local_asyncduplicate', $names);
        $message = new message();
        $message->component = 'local_asyncduplicate';
        $message->name = $state;
        $message->userfrom = core_user::get_noreply_user();
        $message->userto = $job->userid;
        $message->subject = get_string('message' . $state . 'subject', 'local_asyncduplicate', $names);
        $message->fullmessage = $text;
        $message->fullmessageformat = FORMAT_PLAIN;
        $message->fullmessagehtml = '';
        $message->smallmessage = $text;
        $message->notification = 1;
        $message->contexturl = $url->out(false);
        $message->contexturlname = get_string('copiesinprogress', 'local_asyncduplicate');
        message_send($message);
    }
}
