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
 * The start of a duplication.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use core\task\manager;
use core_text;
use dml_write_exception;
use invalid_parameter_exception;
use local_asyncduplicate\event\duplication_queued;
use local_asyncduplicate\task\duplicate;
use moodle_exception;
use stdClass;

/**
 * Turns a request into a row and a task, both or neither.
 */
class submission {
    /**
     * Submits a request of the current user.
     *
     * @param request $request
     * @return string the duplicateid
     * @throws moodle_exception
     */
    public static function submit(request $request): string {
        global $USER;
        try {
            self::check($request);
            $job = self::store($request, $USER->id);
        } catch (moodle_exception $e) {
            // The same call may have come twice at once: the other one has the idempotency key and the short name.
            if ($before = self::submitted_before($request)) {
                return $before;
            }
            if ($e instanceof dml_write_exception) {
                self::require_unreserved($request);
            }
            throw $e;
        }
        duplication_queued::of_job($job)->trigger();
        return $job->duplicateid;
    }

    /**
     * The duplication that the same user started with the same idempotency key.
     *
     * @param request $request
     * @return string|null its duplicateid
     * @throws invalid_parameter_exception when the key was used for something else
     */
    public static function submitted_before(request $request): ?string {
        global $DB, $USER;
        if ($request->key === '') {
            return null;
        }
        $job = $DB->get_record(jobs::TABLE, ['idempotency' => jobs::idempotency($USER->id, $request->key)]);
        if (!$job) {
            return null;
        }
        if ($job->fingerprint !== $request->fingerprint()) {
            throw new invalid_parameter_exception('idempotencykey: was used for another request');
        }
        return $job->duplicateid;
    }

    /**
     * Everything that has to be right before a row is made.
     *
     * @param request $request
     */
    private static function check(request $request): void {
        global $DB, $USER;
        if ($request->sourceid == SITEID) {
            throw new moodle_exception('backupprecheckerrors', 'webservice');
        }
        permissions::require_copy($request, $USER->id);
        self::require_dates($request);
        names::require_free($request);
        self::require_unreserved($request);
        if (core_text::strlen($request->fullname) > request::FULLNAME_MAX) {
            throw new dml_write_exception('fullname: at most ' . request::FULLNAME_MAX . ' characters');
        }
        if (core_text::strlen($request->shortname) > request::SHORTNAME_MAX) {
            throw new dml_write_exception('shortname: at most ' . request::SHORTNAME_MAX . ' characters');
        }
    }

    /**
     * Requires that the end of the copy does not lie before its start.
     *
     * @param request $request
     */
    private static function require_dates(request $request): void {
        if (!$request->enddate) {
            return;
        }
        $startdate = $request->startdate ?? (int) get_course($request->sourceid)->startdate;
        if (!$startdate) {
            throw new moodle_exception('nostartdatenoenddate');
        }
        if ($request->enddate < $startdate) {
            throw new moodle_exception('enddatebeforestartdate');
        }
    }

    /**
     * Requires that no unfinished duplication has the short name or the idnumber.
     *
     * @param request $request
     */
    private static function require_unreserved(request $request): void {
        global $DB;
        $job = $DB->get_record(jobs::TABLE, ['reservation' => jobs::reservation($request->shortname)]);
        if ($job) {
            throw new moodle_exception('shortnametaken', '', '', permissions::may_see($job) ? $job->fullname : '');
        }
        if ($request->idnumber === '') {
            return;
        }
        $where = 'status IN (:awaiting, :executing) AND ' . $DB->sql_equal('idnumber', ':idnumber', false);
        $params = ['awaiting' => jobs::AWAITING, 'executing' => jobs::EXECUTING, 'idnumber' => $request->idnumber];
        if ($DB->record_exists_select(jobs::TABLE, $where, $params)) {
            throw new moodle_exception('courseidnumbertaken', '', '', $request->idnumber);
        }
    }

    /**
     * Stores the row and queues its task in one transaction.
     *
     * @param request $request
     * @param int $userid
     * @return stdClass the row
     */
    private static function store(request $request, int $userid): stdClass {
        global $DB;
        $job = jobs::from_request($request, $userid);
        $transaction = $DB->start_delegated_transaction();
        try {
            $job->id = $DB->insert_record(jobs::TABLE, $job);
            $task = new duplicate();
            $task->set_component('local_asyncduplicate');
            $task->set_custom_data(['duplicateid' => $job->duplicateid]);
            $task->set_userid($userid);
            jobs::update($job, ['taskid' => manager::queue_adhoc_task($task)]);
            $transaction->allow_commit();
        } catch (\Throwable $e) {
            $transaction->rollback($e);
        }
        return $job;
    }
}
