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
 * The rows of duplications.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use core_text;
use dml_missing_record_exception;
use stdClass;

/**
 * Reads and writes the plugin's only table.
 */
class jobs {
    /** @var string Name of the table. */
    public const TABLE = 'local_asyncduplicate';

    /** @var int Phase: backup, and before it. */
    public const BACKUP = 1;

    /** @var int Phase: restore. */
    public const RESTORE = 2;

    /** @var int Status: waits in the queue. The codes are those of backup::STATUS_*. */
    public const AWAITING = 700;

    /** @var int Status: runs. */
    public const EXECUTING = 800;

    /** @var int Status: failed or was cancelled. */
    public const FAILED = 900;

    /** @var int Status: done. */
    public const SUCCEEDED = 1000;

    /** @var string Error code of a cancelled duplication. */
    public const CANCELLED = 'cancelled';

    /**
     * A new row for a request, not stored yet.
     *
     * @param request $request
     * @param int $userid
     * @return stdClass
     */
    public static function from_request(request $request, int $userid): stdClass {
        $duplicateid = bin2hex(random_bytes(16));
        return (object) [
            'duplicateid' => $duplicateid,
            'userid' => $userid,
            'sourceid' => $request->sourceid,
            'fullname' => $request->fullname,
            'shortname' => $request->shortname,
            'categoryid' => $request->categoryid,
            'visible' => $request->visible,
            'startdate' => $request->startdate,
            'enddate' => $request->enddate,
            'idnumber' => $request->idnumber,
            'options' => json_encode($request->options),
            'reservation' => self::reservation($request->shortname),
            'idempotency' => $request->key === '' ? $duplicateid : self::idempotency($userid, $request->key),
            'fingerprint' => $request->fingerprint(),
            'phase' => self::BACKUP,
            'status' => self::AWAITING,
            'timecreated' => time(),
            'timemodified' => time(),
        ];
    }

    /**
     * What a short name is reserved under. Names that differ in case only are one name.
     *
     * @param string $shortname
     * @return string
     */
    public static function reservation(string $shortname): string {
        return hash('sha256', core_text::strtolower($shortname));
    }

    /**
     * What an idempotency key is stored as. Keys of two users are two keys.
     *
     * @param int $userid
     * @param string $key
     * @return string
     */
    public static function idempotency(int $userid, string $key): string {
        return hash('sha256', $userid . ':' . $key);
    }

    /**
     * One row, or null.
     *
     * @param string $duplicateid
     * @return stdClass|null
     */
    public static function find(string $duplicateid): ?stdClass {
        global $DB;
        return $DB->get_record(self::TABLE, ['duplicateid' => $duplicateid]) ?: null;
    }

    /**
     * One row that the current user may see. One that does not exist and somebody else's are refused alike.
     *
     * @param string $duplicateid
     * @return stdClass
     * @throws dml_missing_record_exception
     */
    public static function get_visible(string $duplicateid): stdClass {
        $job = self::find($duplicateid);
        if (!$job || !permissions::may_see($job)) {
            throw new dml_missing_record_exception(self::TABLE);
        }
        return $job;
    }

    /**
     * Changes some fields of a row, in the database and in the object.
     *
     * @param stdClass $job
     * @param array $fields
     */
    public static function update(stdClass $job, array $fields): void {
        global $DB;
        $fields['timemodified'] = time();
        $DB->update_record(self::TABLE, (object) (['id' => $job->id] + $fields));
        foreach ($fields as $name => $value) {
            $job->$name = $value;
        }
    }

    /**
     * The fields that end a duplication: its names are free again.
     *
     * @param stdClass $job
     * @param int $status
     * @return array
     */
    public static function ended(stdClass $job, int $status): array {
        return ['status' => $status, 'reservation' => $job->duplicateid, 'timefinished' => time()];
    }

    /**
     * Whether nothing will happen to it any more.
     *
     * @param stdClass $job
     * @return bool
     */
    public static function is_ended(stdClass $job): bool {
        return $job->status == self::FAILED || $job->status == self::SUCCEEDED;
    }

    /**
     * The state in words, as in the result.
     *
     * @param stdClass $job
     * @return string queued, running, succeeded, failed or cancelled
     */
    public static function state(stdClass $job): string {
        switch ((int) $job->status) {
            case self::AWAITING:
                return 'queued';
            case self::EXECUTING:
                return 'running';
            case self::SUCCEEDED:
                return 'succeeded';
            default:
                return $job->errorcode === self::CANCELLED ? 'cancelled' : 'failed';
        }
    }

    /**
     * What get_status answers.
     *
     * @param stdClass $job
     * @return array
     */
    public static function status(stdClass $job): array {
        return ['phase' => (int) $job->phase, 'status' => (int) $job->status, 'progress' => (float) $job->progress];
    }
}
