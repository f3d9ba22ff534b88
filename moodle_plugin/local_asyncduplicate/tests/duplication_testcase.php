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
 * What the tests of duplications have in common.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate;

use local_asyncduplicate\external\start;
use local_asyncduplicate\local\jobs;
use local_asyncduplicate\local\worker;
use stdClass;

/**
 * A source course with activities, people and dates, and a caller who may copy it.
 */
abstract class duplication_testcase extends \advanced_testcase {
    /** @var stdClass Course to duplicate. */
    protected stdClass $source;

    /** @var stdClass Category of the copies. */
    protected stdClass $category;

    /** @var stdClass User who may copy. */
    protected stdClass $caller;

    /** @var int Role of the caller. */
    protected int $roleid;

    protected function setUp(): void {
        parent::setUp();
        $this->resetAfterTest();
        // Failures roll transactions back, and restore makes temporary tables.
        $this->preventResetByRollback();
        $this->setAdminUser();
        $generator = $this->getDataGenerator();
        $this->category = (object) ['id' => $generator->create_category(['name' => 'Target'])->id];
        $this->source = $generator->create_course([
            'shortname' => 'SRC',
            'fullname' => 'Source',
            'startdate' => make_timestamp(2025, 9, 1),
            'enddate' => make_timestamp(2026, 1, 31),
        ]);
        $generator->create_module('assign', [
            'course' => $this->source->id,
            'name' => 'Essay',
            'duedate' => make_timestamp(2025, 9, 15, 12),
        ]);
        $generator->create_module('page', ['course' => $this->source->id, 'name' => 'Read me']);
        $generator->create_and_enrol($this->source, 'student');
        $generator->create_group(['courseid' => $this->source->id]);
        $this->caller = $generator->create_user();
        $this->roleid = $generator->create_role(['shortname' => 'copier']);
        foreach (
            ['moodle/course:view', 'moodle/course:viewhiddencourses', 'moodle/course:create', 'moodle/backup:backupcourse',
                'moodle/restore:restorecourse', 'moodle/backup:userinfo', 'moodle/restore:userinfo',
                'moodle/restore:rolldates', 'moodle/course:enrolconfig'] as $capability
        ) {
            assign_capability($capability, CAP_ALLOW, $this->roleid, \context_system::instance());
        }
        role_assign($this->roleid, $this->caller->id, \context_system::instance());
        $this->setUser($this->caller);
    }

    /**
     * Takes a capability from the caller.
     *
     * @param string $capability
     */
    protected function prohibit(string $capability): void {
        assign_capability($capability, CAP_PROHIBIT, $this->roleid, \context_system::instance(), true);
        accesslib_clear_all_caches_for_unit_testing();
    }

    /**
     * Starts a duplication.
     *
     * @param array $more arguments that differ
     * @return string duplicateid
     */
    protected function start(array $more = []): string {
        $arguments = $more + [
            'id' => $this->source->id,
            'fullname' => 'The copy',
            'shortname' => 'COPY',
            'categoryid' => $this->category->id,
        ];
        return start::execute(...$arguments)['duplicateid'];
    }

    /**
     * Runs the task of a duplication.
     *
     * @param string $duplicateid
     * @return stdClass the row afterwards
     */
    protected function work(string $duplicateid): stdClass {
        ob_start();
        try {
            worker::run($duplicateid);
        } finally {
            ob_end_clean();
        }
        return jobs::find($duplicateid);
    }

    /**
     * Runs something whose progress messages are of no interest.
     *
     * @param callable $what
     */
    protected function quietly(callable $what): void {
        ob_start();
        try {
            $what();
        } finally {
            ob_end_clean();
        }
    }

    /**
     * Asserts that a call is refused.
     *
     * @param string $code expected error code
     * @param callable $call
     */
    protected function assert_refused(string $code, callable $call): void {
        try {
            $call();
        } catch (\moodle_exception $e) {
            $this->assertSame($code, $e->errorcode, $e->getMessage() . ' ' . $e->debuginfo);
            return;
        }
        $this->fail("Not refused: $code");
    }

    /**
     * Asserts that nothing is left of a duplication but its row.
     *
     * @param stdClass $job
     */
    protected function assert_nothing_left(stdClass $job): void {
        global $CFG, $DB;
        $this->assertFalse($DB->record_exists('course', ['shortname' => $job->shortname]));
        $this->assertFalse($job->courseid && $DB->record_exists('course', ['id' => $job->courseid]));
        $this->assertFalse($DB->record_exists_select('backup_controllers', 'status <> 1000'));
        $this->assertFalse($DB->record_exists_select('files', $DB->sql_like('filename', '?'), ['asyncduplicate-%']));
        $this->assertFileDoesNotExist("$CFG->backuptempdir/$job->duplicateid");
        $this->assertFalse($DB->record_exists('task_adhoc', ['component' => 'local_asyncduplicate']));
        $this->assertEquals(0, $job->leftover);
        $this->assertNull($job->taskid);
    }
}
