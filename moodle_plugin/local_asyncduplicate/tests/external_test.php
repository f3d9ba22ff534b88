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
 * Tests of the web service functions.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate;

use core_external\external_api;
use local_asyncduplicate\external\cancel;
use local_asyncduplicate\external\get_result;
use local_asyncduplicate\external\get_status;
use local_asyncduplicate\external\get_statuses;
use local_asyncduplicate\external\start;
use local_asyncduplicate\local\jobs;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once(__DIR__ . '/duplication_testcase.php');

/**
 * Tests of the web service functions.
 *
 * @covers \local_asyncduplicate\external\start
 * @covers \local_asyncduplicate\external\get_status
 * @covers \local_asyncduplicate\external\get_statuses
 * @covers \local_asyncduplicate\external\get_result
 * @covers \local_asyncduplicate\external\cancel
 * @covers \local_asyncduplicate\local\submission
 * @covers \local_asyncduplicate\local\request
 * @covers \local_asyncduplicate\local\permissions
 */
final class external_test extends duplication_testcase {
    public function test_start_answers_at_once_and_queues_one_task(): void {
        global $DB;
        $sink = $this->redirectEvents();
        $id = $this->start();
        $this->assertMatchesRegularExpression('/^[0-9a-f]{32}$/', $id);
        $task = $DB->get_record('task_adhoc', ['component' => 'local_asyncduplicate'], '*', MUST_EXIST);
        $this->assertSame($id, json_decode($task->customdata)->duplicateid);
        $this->assertEquals($this->caller->id, $task->userid);
        if (isset($task->attemptsavailable)) {
            $this->assertEquals(1, $task->attemptsavailable);
        }
        $this->assertSame(['phase' => 1, 'status' => 700, 'progress' => 0.0], get_status::execute($id));
        $events = array_filter($sink->get_events(), fn($event) => $event instanceof event\duplication_queued);
        $this->assertCount(1, $events);
    }

    public function test_both_forms_of_options_are_one(): void {
        global $DB;
        $given = [['users' => 1, 'blocks' => 0], ['name' => 'enrolments', 'value' => '2']];
        $params = start::validate_parameters(start::execute_parameters(), [
            'id' => $this->source->id,
            'fullname' => 'The copy',
            'shortname' => 'COPY',
            'categoryid' => $this->category->id,
            'options' => $given,
        ]);
        $id = start::execute(...$params)['duplicateid'];
        $options = json_decode(jobs::find($id)->options, true);
        $this->assertSame([1, 0, 2], [$options['users'], $options['blocks'], $options['enrolments']]);
    }

    /**
     * Requests that are refused.
     *
     * @return array[]
     */
    public static function refused_provider(): array {
        return [
            'tags' => ['invalidparameter', ['fullname' => '<b>x</b>']],
            'empty name' => ['invalidparameter', ['shortname' => ' ']],
            'control character' => ['invalidparameter', ['fullname' => "a\nb"]],
            'long short name' => ['dmlwriteexception', ['shortname' => str_repeat('a', 101)]],
            'long full name' => ['dmlwriteexception', ['fullname' => str_repeat('a', 255)]],
            'no source' => ['invalidcourseid', ['id' => 999999]],
            'no category' => ['invalidrecord', ['categoryid' => 999999]],
            'short name of a course, in other letters' => ['shortnametaken', ['shortname' => 'src']],
            'unknown option' => ['invalidextparam', ['options' => [['name' => 'nope', 'value' => 1]]]],
            'unknown option as proposed' => ['invalidextparam', ['options' => [['nope' => 1]]]],
            'value of an option' => ['invalidextparam', ['options' => [['users' => 'yes']]]],
            'users cannot be 2' => ['invalidextparam', ['options' => [['users' => 2]]]],
            'half an option' => ['invalidparameter', ['options' => [['name' => 'users']]]],
            'visible' => ['invalidparameter', ['visible' => 2]],
            'end before start' => ['enddatebeforestartdate', ['startdate' => 1790000000, 'enddate' => 1780000000]],
            'end before start of the source' => ['enddatebeforestartdate', ['enddate' => 1000000000]],
            'long key' => ['invalidparameter', ['idempotencykey' => str_repeat('a', 256)]],
            'long idnumber' => ['invalidparameter', ['idnumber' => str_repeat('a', 101)]],
        ];
    }

    /**
     * Nothing is stored of what is refused.
     *
     * @dataProvider refused_provider
     * @param string $code
     * @param array $arguments
     */
    public function test_refused(string $code, array $arguments): void {
        global $DB;
        $this->assert_refused($code, fn() => $this->start($arguments));
        $this->assertSame(0, $DB->count_records(jobs::TABLE));
        $this->assertSame(0, $DB->count_records('task_adhoc', ['component' => 'local_asyncduplicate']));
    }

    public function test_front_page_is_refused(): void {
        $this->assert_refused('backupprecheckerrors', fn() => $this->start(['id' => SITEID]));
    }

    /**
     * Capabilities and the requests that need them.
     *
     * @return array[]
     */
    public static function capability_provider(): array {
        return [
            ['moodle/course:create', []],
            ['moodle/restore:restorecourse', []],
            ['moodle/backup:backupcourse', []],
            ['moodle/backup:userinfo', ['options' => [['users' => 1]]]],
            ['moodle/restore:userinfo', ['options' => [['users' => 1]]]],
            ['moodle/course:enrolconfig', ['options' => [['enrolments' => 2]]]],
            ['moodle/restore:rolldates', ['startdate' => 1790000000]],
        ];
    }

    /**
     * Each capability is required, at the start and when the task runs.
     *
     * @dataProvider capability_provider
     * @param string $capability
     * @param array $arguments
     */
    public function test_capability_is_required(string $capability, array $arguments): void {
        $id = $this->start($arguments);
        $this->prohibit($capability);
        $this->assert_refused('nopermissions', fn() => $this->start(['shortname' => 'OTHER'] + $arguments));
        $job = $this->work($id);
        $this->assertEquals(900, $job->status);
        $this->assertSame('nopermissions', $job->errorcode);
        $this->assert_nothing_left($job);
    }

    public function test_idempotency_key(): void {
        global $DB;
        $id = $this->start(['idempotencykey' => 'k']);
        $this->assertSame($id, $this->start(['idempotencykey' => 'k']));
        $this->assert_refused('invalidparameter', fn() => $this->start(['idempotencykey' => 'k', 'fullname' => 'Other']));
        $this->assert_refused('shortnametaken', fn() => $this->start(['idempotencykey' => 'l']));
        $this->assertSame(1, $DB->count_records(jobs::TABLE));
        // Also after it is done, and when the source is gone.
        $this->work($id);
        delete_course($this->source->id, false);
        $this->assertSame($id, $this->start(['idempotencykey' => 'k']));
    }

    public function test_short_name_is_free_again_after_a_failure(): void {
        $first = $this->start();
        $this->assert_refused('shortnametaken', fn() => $this->start(['shortname' => 'copy']));
        cancel::execute($first);
        $this->assertNotSame($first, $this->start(['shortname' => 'copy']));
    }

    public function test_idnumber_is_taken(): void {
        $this->start(['idnumber' => 'N1']);
        $this->assert_refused('courseidnumbertaken', fn() => $this->start(['idnumber' => 'n1', 'shortname' => 'OTHER']));
    }

    public function test_only_the_caller_and_who_may_see_all_see_it(): void {
        $id = $this->start();
        $this->setUser($this->getDataGenerator()->create_user());
        foreach ([get_status::class, get_result::class, cancel::class] as $function) {
            $this->assert_refused('invalidrecord', fn() => $function::execute($id));
        }
        $this->assertSame([], get_statuses::execute([$id])['statuses']);
        $this->setAdminUser();
        $this->assertSame(700, get_status::execute($id)['status']);
        $this->assertCount(1, get_statuses::execute([$id])['statuses']);
    }

    public function test_statuses(): void {
        $first = $this->start();
        $second = $this->start(['shortname' => 'SECOND']);
        set_config('lastcronstart', 1234, 'tool_task');
        $answer = external_api::clean_returnvalue(
            get_statuses::execute_returns(),
            get_statuses::execute([$second, 'nope', $first, $second])
        );
        $this->assertSame([$second, $first, $second], array_column($answer['statuses'], 'duplicateid'));
        $ahead = array_column($answer['statuses'], 'ahead');
        $this->assertSame(1, $ahead[0] - $ahead[1]);
        $this->assertSame(1234, $answer['cron']['lastrun']);
        $this->assertCount(1, $answer['warnings']);
        $this->assertSame(1, $answer['warnings'][0]['itemid']);
        $this->assertSame('invalidrecord', $answer['warnings'][0]['warningcode']);
        $this->assertSame([], get_statuses::execute([])['statuses']);
    }

    public function test_result(): void {
        $id = $this->start();
        $result = external_api::clean_returnvalue(get_result::execute_returns(), get_result::execute($id));
        $this->assertSame('queued', $result['state']);
        $this->assertNull($result['courseid']);
        $this->assertArrayNotHasKey('report', $result);
        $job = $this->work($id);
        $result = external_api::clean_returnvalue(get_result::execute_returns(), get_result::execute($id));
        $this->assertSame('succeeded', $result['state']);
        $this->assertEquals($job->courseid, $result['courseid']);
        $this->assertSame('COPY', $result['shortname']);
        $this->assertNull($result['failurecode']);
        $this->assertNull($result['partialcourseid']);
        $activities = array_column($result['report']['activities'], null, 'modname');
        $this->assertEqualsCanonicalizing(['assign', 'page'], array_keys($activities));
        $cm = get_fast_modinfo($result['courseid'])->get_cm($activities['assign']['newcmid']);
        $this->assertSame('Essay', $cm->name);
        $this->assertEquals($cm->instance, $activities['assign']['newinstance']);
        $missing = array_column($result['report']['missing'], null, 'kind');
        $this->assertEquals(['kind' => 'enrolledusers', 'name' => '', 'source' => 1, 'copy' => 0], $missing['enrolledusers']);
        $this->assertEquals(['kind' => 'roles', 'name' => 'student', 'source' => 1, 'copy' => 0], $missing['roles']);
        $this->assertArrayNotHasKey('activities', $missing);
    }

    public function test_cancel_of_one_that_waits(): void {
        $id = $this->start();
        $this->assertSame(['duplicateid' => $id, 'state' => 'cancelled'], cancel::execute($id));
        $this->assertSame(['duplicateid' => $id, 'state' => 'cancelled'], cancel::execute($id));
        $result = get_result::execute($id);
        $this->assertSame(['cancelled', 'cancelled'], [$result['state'], $result['failurecode']]);
        $job = $this->work($id);
        $this->assertEquals(900, $job->status);
        $this->assert_nothing_left($job);
    }

    public function test_cancel_needs_a_capability_for_those_of_others(): void {
        $id = $this->start();
        $other = $this->getDataGenerator()->create_user();
        $roleid = $this->getDataGenerator()->create_role();
        assign_capability('local/asyncduplicate:viewall', CAP_ALLOW, $roleid, \context_system::instance());
        role_assign($roleid, $other->id, \context_system::instance());
        $this->setUser($other);
        $this->assert_refused('nopermissions', fn() => cancel::execute($id));
        assign_capability('local/asyncduplicate:cancelany', CAP_ALLOW, $roleid, \context_system::instance());
        accesslib_clear_all_caches_for_unit_testing();
        $this->assertSame('cancelled', cancel::execute($id)['state']);
    }

    public function test_functions_are_known_to_moodle(): void {
        foreach (['', '_get_status', '_get_statuses', '_get_result', '_cancel'] as $suffix) {
            $info = external_api::external_function_info('core_course_async_duplicate_course' . $suffix);
            $this->assertSame('local_asyncduplicate', $info->component);
        }
    }
}
