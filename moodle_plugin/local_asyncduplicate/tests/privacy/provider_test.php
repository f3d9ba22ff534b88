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
 * Tests of the privacy provider.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\privacy;

use context_user;
use core_privacy\local\request\approved_contextlist;
use core_privacy\local\request\approved_userlist;
use core_privacy\local\request\userlist;
use core_privacy\local\request\writer;
use local_asyncduplicate\duplication_testcase;
use local_asyncduplicate\external\cancel;
use local_asyncduplicate\local\jobs;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once(__DIR__ . '/../duplication_testcase.php');

/**
 * Tests of the privacy provider.
 *
 * @covers \local_asyncduplicate\privacy\provider
 */
final class provider_test extends duplication_testcase {
    public function test_contexts_users_and_export(): void {
        $this->start();
        $context = context_user::instance($this->caller->id);
        $contexts = provider::get_contexts_for_userid($this->caller->id);
        $this->assertEquals([$context->id], $contexts->get_contextids());
        $this->assertSame(0, provider::get_contexts_for_userid(get_admin()->id)->count());
        $users = new userlist($context, 'local_asyncduplicate');
        provider::get_users_in_context($users);
        $this->assertEquals([$this->caller->id], $users->get_userids());
        provider::export_user_data(new approved_contextlist($this->caller, 'local_asyncduplicate', [$context->id]));
        $data = writer::with_context($context)->get_data([get_string('pluginname', 'local_asyncduplicate')]);
        $this->assertSame('COPY', $data->duplications[0]['shortname']);
    }

    public function test_deletion(): void {
        global $DB;
        $context = context_user::instance($this->caller->id);
        $delete = [
            fn() => provider::delete_data_for_all_users_in_context($context),
            fn() => provider::delete_data_for_user(
                new approved_contextlist($this->caller, 'local_asyncduplicate', [$context->id])
            ),
            fn() => provider::delete_data_for_users(
                new approved_userlist($context, 'local_asyncduplicate', [$this->caller->id])
            ),
        ];
        foreach ($delete as $place => $call) {
            cancel::execute($this->start(['shortname' => "ENDED$place"]));
            $waiting = $this->start(['shortname' => "WAITS$place"]);
            $call();
            $this->assertSame(0, $DB->count_records(jobs::TABLE, ['userid' => $this->caller->id]));
            $this->assertSame('cancelled', $this->work($waiting)->errorcode);
        }
    }
}
